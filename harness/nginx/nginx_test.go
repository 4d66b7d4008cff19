package nginx

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

var twoAddrs = []netip.Addr{netip.MustParseAddr("10.213.0.12"), netip.MustParseAddr("10.213.0.13")}

func TestTheUpstreamBlockIsTheScenariosOwn(t *testing.T) {
	u := Upstream{
		Servers:      []Server{{Name: "backend-a", Params: "max_fails=1  fail_timeout=30s"}, {Name: "backend-b", Params: "backup"}},
		NextUpstream: "error timeout", NextUpstreamTries: 2, NextUpstreamTimeout: 3 * time.Second,
		ConnectTimeout: 250 * time.Millisecond, SendTimeout: time.Second, ReadTimeout: 2 * time.Second, Workers: 2, Keepalive: 8,
	}
	require.Equal(t, `daemon off;
pid /tmp/nginx.pid;
user root;
worker_processes 2;
error_log stderr warn;
events { worker_connections 8192; }
http {
    access_log off;
    keepalive_requests 1000000000;
    upstream app {
        zone app 128k;
        server 10.213.0.12:8080 max_fails=1 fail_timeout=30s;
        server 10.213.0.13:8080 backup;
        keepalive 8;
    }
    server {
        listen 8080 backlog=4096;
        location = /hadrill-alive { return 200; }
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_next_upstream error timeout;
            proxy_next_upstream_tries 2;
            proxy_next_upstream_timeout 3000ms;
            proxy_connect_timeout 250ms;
            proxy_send_timeout 1000ms;
            proxy_read_timeout 2000ms;
        }
    }
}
`, u.config(twoAddrs))
}

func TestWhatIsNotSaidIsLeftToNginx(t *testing.T) {
	u := Upstream{Servers: []Server{{Name: "backend-a"}, {Name: "backend-b"}}}
	config := u.config(twoAddrs)
	for _, directive := range []string{"proxy_next_upstream", "timeout", "max_fails", "backup"} {
		require.NotContains(t, config, directive)
	}
	require.Contains(t, config, "server 10.213.0.12:8080;\n")
}

func TestADeclarationThatCannotBeMeantIsRefused(t *testing.T) {
	good := Upstream{Servers: []Server{{Name: "a", Params: "weight=2 max_fails=0"}}}
	require.NoError(t, good.check())
	for name, spoil := range map[string]func(*Upstream){
		"no servers":   func(u *Upstream) { u.Servers = nil },
		"name taken":   func(u *Upstream) { u.Servers[0].Name = "nginx" },
		"injection":    func(u *Upstream) { u.Servers[0].Params = "; } http {" },
		"next":         func(u *Upstream) { u.NextUpstream = "off; deny all" },
		"microseconds": func(u *Upstream) { u.ReadTimeout = time.Microsecond },
		"negative":     func(u *Upstream) { u.Latency = -1 },
	} {
		u := good
		u.Servers = append([]Server(nil), good.Servers...)
		spoil(&u)
		require.Error(t, u.check(), name)
	}
}

func TestNginxDeclaresAFailureInItsErrorLog(t *testing.T) {
	r := &Running{}
	for line, want := range map[string]string{
		`2025/03/05 10:00:00 [error] 7#7: *12 connect() failed (111: Connection refused) while connecting to upstream, client: 10.213.1.1, server: , request: "GET / HTTP/1.1", upstream: "http://10.213.0.12:8080/", host: "x"`:    `connect() failed (111: Connection refused) while connecting to upstream "http://10.213.0.12:8080/"`,
		`2025/03/05 10:00:00 [warn] 7#7: *12 upstream server temporarily disabled while connecting to upstream, client: 10.213.1.1, server: , request: "GET / HTTP/1.1", upstream: "http://10.213.0.12:8080/", host: "x"`:           `upstream server temporarily disabled while connecting to upstream "http://10.213.0.12:8080/"`,
		`2025/03/05 10:00:00 [error] 7#7: *12 no live upstreams while connecting to upstream, client: 10.213.1.1, server: , request: "GET / HTTP/1.1", upstream: "http://app/", host: "x"`:                                          `no live upstreams while connecting to upstream "http://app/"`,
		`2025/03/05 10:00:00 [error] 7#7: *9 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.213.1.1, server: , request: "GET / HTTP/1.1", upstream: "http://a/", host: "x"`: `upstream timed out (110: Connection timed out) while reading response header from upstream "http://a/"`,
	} {
		m, ok := r.Milestone("nginx", line)
		require.True(t, ok, line)
		require.Equal(t, harness.Milestone{Declared: true, Keep: true, Text: want}, m)
		_, ok = r.Milestone("backend-a", line)
		require.False(t, ok, "only nginx speaks for itself")
	}
	m, ok := r.Milestone("nginx", `2025/03/05 10:00:00 [alert] 1#1: worker process 7 exited on signal 9`)
	require.True(t, ok)
	require.False(t, m.Declared)
	_, ok = r.Milestone("nginx", `2025/03/05 10:00:00 [notice] 1#1: start worker process 7`)
	require.False(t, ok)
}
