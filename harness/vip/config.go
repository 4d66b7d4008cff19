package vip

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness/components"
)

// What runs where on an entry.
const (
	servicePort = 8080 // the proxy, at the shared address and at the node's own
	alivePort   = 8078 // the proxy answers by itself, whatever its backends do
	statePort   = 8077 // node.pl says whether the node holds the address
	aliveRoute  = "/hadrill-alive"
)

// keepalived renders keepalived.conf of one entry. "@DEVICE@" is put right by
// the node, which knows its interfaces (keepalived.conf(5)):
//
//   - version 3, because only there adverts come more often than each second;
//   - unicast, because a container's network need not carry multicast;
//   - both begin as BACKUP and nopreempt, so that the address moves when its
//     owner fails and never because somebody came back;
//   - a check that fails makes the node FAULT, which gives the address up with
//     an advert of priority 0: the peer need not wait for silence.
func (p Pair) keepalived(i int, self, peer, shared netip.Prefix) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("global_defs {")
	line("    router_id %s", entryName(i))
	line("    vrrp_version 3")
	line("    script_user root")
	line("    enable_script_security")
	line("}")
	if p.CheckInterval > 0 {
		line("vrrp_script service {")
		line(`    script "/etc/hadrill/check.sh %d"`, alivePort)
		line("    interval %s", decimal(p.CheckInterval))
		line("    timeout 1")
		line("    fall 1")
		line("    rise 2")
		line("}")
	}
	if p.Arbiter {
		line("track_file lease {")
		line(`    file "/run/hadrill/lease"`)
		line("    weight 0")
		line("}")
	}
	line("vrrp_instance entry {")
	line("    state BACKUP")
	line("    nopreempt")
	line("    interface @DEVICE@")
	line("    virtual_router_id 51")
	line("    priority %d", 150-50*i)
	line("    advert_int %s", decimal(p.Advert))
	line("    unicast_src_ip %s", self.Addr())
	line("    unicast_peer {")
	line("        %s", peer.Addr())
	line("    }")
	line("    virtual_ipaddress {")
	line("        %s", shared)
	line("    }")
	if p.CheckInterval > 0 {
		line("    track_script {")
		line("        service")
		line("    }")
	}
	if p.Arbiter {
		line("    track_file {")
		line("        lease")
		line("    }")
	}
	line("}")
	return b.String()
}

// decimal writes a duration in seconds as keepalived reads it.
func decimal(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", d.Seconds()), "0"), ".")
}

// nginx renders nginx.conf: a reverse proxy that ends HTTP and begins it anew.
func (p Pair) nginx(backends []netip.Addr) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("daemon off;")
	line("pid /run/hadrill/nginx.pid;")
	line("user root;")
	line("worker_processes 1;")
	line("error_log stderr warn;")
	line("events { worker_connections 8192; }")
	line("http {")
	line("    access_log off;")
	line("    keepalive_requests 1000000000;")
	line("    upstream app {")
	line("        zone app 128k;")
	limit := ""
	if p.BackendLimit > 0 {
		limit = fmt.Sprintf(" max_conns=%d", p.BackendLimit)
	}
	for _, a := range backends {
		line("        server %s:%d max_fails=1 fail_timeout=%ds%s;", a, components.DefaultPort, int(p.FailTimeout.Seconds()), limit)
	}
	line("        keepalive 32;")
	line("    }")
	line("    server {")
	line("        listen %d;", alivePort)
	line("        location = %s { return 200; }", aliveRoute)
	line("    }")
	line("    server {")
	line("        listen %d backlog=4096;", servicePort)
	line("        location / {")
	line("            proxy_pass http://app;")
	line("            proxy_http_version 1.1;")
	line(`            proxy_set_header Connection "";`)
	line("            proxy_connect_timeout 250ms;")
	line("            proxy_read_timeout %dms;", p.PassOn.Milliseconds())
	line("        }")
	line("    }")
	line("}")
	return b.String()
}

// haproxy renders haproxy.cfg: connections are passed on as they are, so that a
// connection lives and dies with the backend that it was given.
func (p Pair) haproxy(backends []netip.Addr) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("global")
	line("    maxconn 4096")
	line("    nbthread 1")
	line("    log stdout format raw local0 notice")
	line("defaults")
	line("    mode tcp")
	line("    log global")
	line("    timeout connect 250ms")
	line("    timeout client 1m")
	line("    timeout server 1m")
	line("    timeout check 200ms")
	line("    retries 2")
	line("    option redispatch 1")
	line("frontend entry")
	line("    bind :%d", servicePort)
	line("    default_backend app")
	line("frontend alive")
	line("    mode http")
	line("    bind :%d", alivePort)
	line("    monitor-uri %s", aliveRoute)
	line("backend app")
	line("    balance roundrobin")
	check := ""
	if p.BackendCheck > 0 {
		line("    option httpchk GET /ready")
		check = fmt.Sprintf(" check inter %dms fall 1 rise 2", p.BackendCheck.Milliseconds())
		// A draining backend fails its check too, on purpose, and wants to end
		// what it has begun: then its connections are left to it.
		if p.Drain == 0 {
			check += " on-marked-down shutdown-sessions"
		}
	}
	for i, a := range backends {
		line("    server %s %s:%d%s", backendName(i), a, components.DefaultPort, check)
	}
	return b.String()
}
