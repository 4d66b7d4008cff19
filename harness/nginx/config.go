package nginx

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness/components"
)

// aliveRoute is answered by nginx itself.
const aliveRoute = "/hadrill-alive"

// config renders nginx.conf. nginx stays in the foreground as the container's
// first process, logs to its standard streams, and writes no access log: a
// line a request would cost more than the request.
func (u Upstream) config(addrs []netip.Addr) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	or := func(n, otherwise int) int {
		if n > 0 {
			return n
		}
		return otherwise
	}
	line("daemon off;")
	line("pid /tmp/nginx.pid;")
	line("user root;") // the container has no other reason to know users
	line("worker_processes %d;", or(u.Workers, 1))
	line("error_log stderr warn;")
	line("events { worker_connections 8192; }")
	line("http {")
	line("    access_log off;")
	line("    keepalive_requests 1000000000;")
	line("    upstream app {")
	line("        zone app 128k;")
	for i, s := range u.Servers {
		line("        server %s;", strings.TrimSpace(fmt.Sprintf("%s:%d %s", addrs[i], components.DefaultPort, strings.Join(strings.Fields(s.Params), " "))))
	}
	line("        keepalive %d;", or(u.Keepalive, 32))
	line("    }")
	line("    server {")
	line("        listen %d backlog=4096;", proxyPort)
	line("        location = %s { return 200; }", aliveRoute)
	line("        location / {")
	line("            proxy_pass http://app;")
	line("            proxy_http_version 1.1;")
	line(`            proxy_set_header Connection "";`)
	if u.NextUpstream != "" {
		line("            proxy_next_upstream %s;", strings.Join(strings.Fields(u.NextUpstream), " "))
	}
	if u.NextUpstreamTries > 0 {
		line("            proxy_next_upstream_tries %d;", u.NextUpstreamTries)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"proxy_next_upstream_timeout", u.NextUpstreamTimeout},
		{"proxy_connect_timeout", u.ConnectTimeout},
		{"proxy_send_timeout", u.SendTimeout},
		{"proxy_read_timeout", u.ReadTimeout},
	} {
		if d.value > 0 {
			line("            %s %dms;", d.name, d.value.Milliseconds())
		}
	}
	line("        }")
	line("    }")
	line("}")
	return b.String()
}
