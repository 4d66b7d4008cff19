// Package secure starts a server of https whose certificates are short-lived
// and renewed under load, as an automatic authority does it in months and a
// drill in seconds.
//
//	                        renewer: every so often a new certificate
//	                           │ file         │ reload
//	                           ▼              ▼
//	clients ══ https ══▶ nginx or gateway ──▶ backend-1, backend-2
//	                           ▲
//	certwatch ── handshake ────┘  warns when the one shown ends soon
//
// What is drilled here is the gap between the file and the server: a renewed
// file that the server never reads is the classic outage at expiry. nginx
// reads again when it is told to (SIGHUP), the gateway looks at the file
// itself. certwatch stands for monitoring: it looks at what clients are shown,
// so it warns whatever the reason is.
//
// Identity has a gateway ask for tokens, and Mutual has gateway and backends
// show each other certificates.
package secure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/authority"
	"github.com/hadrill/hadrill/harness/components"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/registry"
)

// The servers.
const (
	Nginx   = "nginx"
	Gateway = "gateway"
)

const (
	watcherName = "certwatch"
	port        = 8443
	configFile  = "/etc/hadrill/nginx.conf"
	// pairFile holds certificate and key together: replaced as one, they
	// always fit.
	pairFile = "/etc/hadrill/server.pem"
)

// Edge is a server of https before two backends. The zero value of a field is
// its default.
type Edge struct {
	Server string // Nginx, the default, or Gateway
	// Lifetime is how long a certificate is valid; default 24 h, which no
	// drill lives to see. X.509 knows whole seconds only.
	Lifetime time.Duration
	// Ahead is how long before its end a certificate is renewed; 0: never.
	Ahead time.Duration
	// Warning is how long before the end certwatch warns; default half of Ahead.
	Warning time.Duration

	// NoReload renews the file and does not tell the server.
	NoReload bool
	// NoWatch leaves certwatch out: nobody looks at what clients are shown.
	NoWatch bool
	// Stranger has renewals signed by an authority that no client trusts: a
	// wrong chain was rolled out.
	Stranger bool
}

var _ harness.System = Edge{}

// Name implements harness.System.
func (Edge) Name() string { return "https-edge" }

func (e Edge) filled() Edge {
	if e.Server == "" {
		e.Server = Nginx
	}
	if e.Lifetime == 0 {
		e.Lifetime = 24 * time.Hour
	}
	if e.Warning == 0 {
		e.Warning = max(e.Ahead/2, time.Second)
	}
	return e
}

func (e Edge) check() error {
	var errs []error
	if e.Server != Nginx && e.Server != Gateway {
		errs = append(errs, fmt.Errorf("field Server %q: want %s or %s", e.Server, Nginx, Gateway))
	}
	if e.Lifetime < 2*time.Second {
		errs = append(errs, errors.New("field Lifetime: want at least 2 s, for certificates know whole seconds only"))
	}
	if e.Ahead < 0 || e.Ahead >= e.Lifetime {
		errs = append(errs, errors.New("field Ahead: want 0 or more, and less than Lifetime"))
	}
	if e.NoReload && e.Server != Nginx {
		errs = append(errs, errors.New("field NoReload: a gateway looks at its file itself"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("secure.Edge: %w", err)
	}
	return nil
}

// Start implements harness.System.
func (e Edge) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	e = e.filled()
	if err := e.check(); err != nil {
		return nil, err
	}
	trusted, err := authority.New("hadrill " + env.Run())
	if err != nil {
		return nil, err
	}
	addr := env.Reserve(e.Server)
	r := &Running{declared: e, env: env, addr: addr, trusted: trusted, signer: trusted}
	if e.Stranger {
		if r.signer, err = authority.New("a stranger"); err != nil {
			return nil, err
		}
	}
	// The first one lasts until Settle renews it, at the beginning of the load.
	first, err := trusted.Issue(authority.Leaf{Name: e.Server, Addrs: []netip.Addr{addr}})
	if err != nil {
		return nil, err
	}
	backends := []string{"backend-1", "backend-2"}
	addrs := make([]string, len(backends))
	for i, name := range backends {
		addrs[i] = netip.AddrPortFrom(env.Reserve(name), components.DefaultPort).String()
	}
	specs, err := e.specs(env, r, first, backends, addrs)
	if err != nil {
		return nil, err
	}
	if r.nodes, err = env.Start(ctx, specs...); err != nil {
		return nil, err
	}
	return r, nil
}

func (e Edge) specs(env *harness.Env, r *Running, first authority.Pair, backends, addrs []string) ([]harness.NodeSpec, error) {
	pem := harness.File{Path: pairFile, Mode: 0o600, Content: together(first)}
	var front harness.NodeSpec
	switch e.Server {
	case Nginx:
		front = harness.NodeSpec{
			Name: Nginx, Component: "nginx", Command: []string{"nginx", "-c", configFile},
			Files: []harness.File{pem, {Path: configFile, Content: []byte(config(addrs))}},
			Ready: r.ready,
		}
	case Gateway:
		route := proxy.Route{Name: "all", Path: "/", Balance: proxy.RoundRobin}
		for i, name := range backends {
			route.Instances = append(route.Instances, registry.Instance{ID: name, Addr: addrs[i]})
		}
		text, err := proxy.FormatRoutes([]proxy.Route{route})
		if err != nil {
			return nil, fmt.Errorf("secure.Edge: %w", err)
		}
		front = components.GatewaySpec(env, Gateway, map[string]string{
			"HADRILL_ROUTES": text, "HADRILL_PORT": fmt.Sprint(port), "HADRILL_TLS_CERT": pairFile, "HADRILL_TLS_KEY": pairFile,
		})
		front.Files = append(front.Files, pem)
	}
	specs := []harness.NodeSpec{front}
	for _, name := range backends {
		specs = append(specs, components.Spec(env, "backend", name, nil))
	}
	if e.NoWatch {
		return specs, nil
	}
	return append(specs, components.Spec(env, "certwatch", watcherName, map[string]string{
		"HADRILL_WATCHES": netip.AddrPortFrom(r.addr, port).String(),
		"HADRILL_WARNING": e.Warning.String(),
	})), nil
}

// together is a certificate and its key in one file.
func together(p authority.Pair) []byte { return bytes.Join([][]byte{p.Cert, p.Key}, nil) }

// config is nginx.conf. Sessions are not resumed, so that every new connection
// is a full handshake; kept connections live on over a reload until their
// next answer, as nginx does it.
func config(backends []string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("daemon off;")
	line("pid /tmp/nginx.pid;")
	line("user root;")
	line("worker_processes 1;")
	line("error_log stderr notice;") // reloads are notices
	line("events { worker_connections 8192; }")
	line("http {")
	line("    access_log off;")
	line("    keepalive_requests 1000000000;")
	line("    upstream app {")
	line("        zone app 128k;")
	for _, addr := range backends {
		line("        server %s;", addr)
	}
	line("        keepalive 32;")
	line("    }")
	line("    server {")
	line("        listen %d ssl backlog=4096;", port)
	line("        ssl_certificate %s;", pairFile)
	line("        ssl_certificate_key %s;", pairFile)
	line("        ssl_protocols TLSv1.2 TLSv1.3;")
	line("        ssl_session_tickets off;")
	line("        location / {")
	line("            proxy_pass http://app;")
	line("            proxy_http_version 1.1;")
	line(`            proxy_set_header Connection "";`)
	line("        }")
	line("    }")
	line("}")
	return b.String()
}
