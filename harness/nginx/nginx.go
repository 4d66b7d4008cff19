// Package nginx starts nginx as a load balancer in front of backends and says
// which of them it sends the traffic to.
//
//	load ──▶ nginx ──▶ backend-a   server A max_fails=1 fail_timeout=30s;
//	             └┄┄┄▶ backend-b   server B backup;
//
// The upstream block is the scenario's own: each server's parameters are
// copied as they stand, because they are what a drill judges.
//
// # What hadrill found
//
// A backend that has just died refuses connections, and nginx goes to the next.
// When fail_timeout is over and it is tried again, its machine is gone and
// nobody refuses: the attempt waits for proxy_connect_timeout, 60 s by default.
// A client that gives up sooner ends the attempt without a failure, and nginx
// counts that as a server which is alive again. From the next request on
// everybody is sent there, and everybody who gives up confirms it: 826 of 7600
// requests in four seconds, all of them, while the stand-by was idle.
// proxy_connect_timeout must be below the clients' patience.
package nginx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

const (
	proxyName  = "nginx"
	proxyPort  = 8080
	configFile = "/etc/hadrill/nginx.conf"
)

// Server is one line of the upstream block.
type Server struct {
	// Name is the node's: "backend-a".
	Name string
	// Params stand after the address, in nginx' own words:
	// "max_fails=1 fail_timeout=30s", "backup", "weight=2".
	Params string
}

func (s Server) backup() bool {
	for word := range strings.FieldsSeq(s.Params) {
		if word == "backup" {
			return true
		}
	}
	return false
}

// Upstream is one nginx and its backends. A zero field leaves the directive
// out, so that nginx' own default stands: the name of each default is in its
// documentation of ngx_http_upstream_module and ngx_http_proxy_module.
type Upstream struct {
	Servers []Server

	NextUpstream        string        // proxy_next_upstream: "error timeout", "off", "error timeout non_idempotent"
	NextUpstreamTries   int           // proxy_next_upstream_tries; default: no limit
	NextUpstreamTimeout time.Duration // proxy_next_upstream_timeout; default: no limit
	ConnectTimeout      time.Duration // proxy_connect_timeout; default 60 s
	SendTimeout         time.Duration // proxy_send_timeout; default 60 s
	ReadTimeout         time.Duration // proxy_read_timeout; default 60 s

	// Keepalive is how many idle connections to backends each worker keeps; 0: 32.
	Keepalive int
	// Workers is worker_processes; 0: 1. They share what they know of servers.
	Workers int

	// Latency and Cost are how long a backend waits, and computes, a request.
	Latency time.Duration
	Cost    time.Duration
	// Drain is how long a backend that was asked to end goes on serving, each
	// answer closing its connection.
	Drain time.Duration
	// EndAtOnce has it end at once instead, requests under way or not.
	EndAtOnce bool
}

var _ harness.System = Upstream{}

// Name implements harness.System.
func (Upstream) Name() string { return "nginx-upstream" }

var (
	paramsPattern = regexp.MustCompile(`^[a-z0-9_=. ]*$`)
	nextPattern   = regexp.MustCompile(`^[a-z0-9_ ]*$`)
)

func (u Upstream) check() error {
	var errs []error
	if len(u.Servers) == 0 {
		errs = append(errs, errors.New("field Servers: want at least one"))
	}
	for _, s := range u.Servers {
		if s.Name == proxyName || s.Name == "" {
			errs = append(errs, fmt.Errorf("field Servers: name %q: want a name of its own", s.Name))
		}
		if !paramsPattern.MatchString(s.Params) {
			errs = append(errs, fmt.Errorf("field Servers: %s: Params %q: want words and word=value only", s.Name, s.Params))
		}
	}
	if !nextPattern.MatchString(u.NextUpstream) {
		errs = append(errs, fmt.Errorf("field NextUpstream %q: want words only", u.NextUpstream))
	}
	for name, d := range map[string]time.Duration{"NextUpstreamTimeout": u.NextUpstreamTimeout, "ConnectTimeout": u.ConnectTimeout, "SendTimeout": u.SendTimeout, "ReadTimeout": u.ReadTimeout} {
		if d < 0 || d%time.Millisecond != 0 {
			errs = append(errs, fmt.Errorf("field %s: want whole milliseconds, not below zero", name))
		}
	}
	if u.Keepalive < 0 || u.Workers < 0 || u.NextUpstreamTries < 0 || u.Latency < 0 || u.Cost < 0 || u.Drain < 0 {
		errs = append(errs, errors.New("numbers: want none below zero"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("nginx.Upstream: %w", err)
	}
	return nil
}

// Start implements harness.System: nginx and backends side by side. The proxy
// is ready when it answers by itself; whether it reaches its backends is asked
// by Settle.
func (u Upstream) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	addrs := make([]netip.Addr, len(u.Servers))
	specs := make([]harness.NodeSpec, 1, len(u.Servers)+1)
	settings := map[string]string{}
	if u.Latency > 0 {
		settings["HADRILL_LATENCY"] = u.Latency.String()
	}
	if u.Cost > 0 {
		settings["HADRILL_COST"] = u.Cost.String()
	}
	if u.Drain > 0 {
		settings["HADRILL_DRAIN"] = u.Drain.String()
	}
	if u.EndAtOnce {
		settings["HADRILL_END"] = "at-once"
	}
	env.Reserve(proxyName)
	for i, s := range u.Servers {
		addrs[i] = env.Reserve(s.Name)
		specs = append(specs, components.Spec(env, "backend", s.Name, settings))
	}
	specs[0] = harness.NodeSpec{
		Name: proxyName, Component: "nginx",
		Command: []string{"nginx", "-c", configFile},
		Files:   []harness.File{{Path: configFile, Content: []byte(u.config(addrs))}},
		Ready: func(ctx context.Context, n *harness.Node) error {
			answer, err := probe.Once(ctx, env.Data(), netip.AddrPortFrom(n.Addr(), proxyPort), aliveRoute)
			if err == nil && answer.Status != http.StatusOK {
				err = fmt.Errorf("%s answered %d", aliveRoute, answer.Status)
			}
			return err
		},
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	return newRunning(u, env, nodes), nil
}
