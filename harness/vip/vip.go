// Package vip starts two entries that share one virtual address, each with
// keepalived and a proxy, in front of the same backends: how a service keeps
// its address when the machine that has it dies.
//
//	clients ──▶ the shared address
//	                 │ is at
//	    ┌────────────┴┄┄┄┄┄┄┄┄┄┄┄┄┐
//	 entry-1   ◀── adverts ──▶  entry-2      VRRP version 3 (RFC 5798), unicast,
//	 keepalived                 keepalived   every 100 ms
//	 nginx | haproxy            nginx | haproxy
//	    └──────┬─────────────────┬──┘
//	       backend-1         backend-2       └┄┄ arbiter: a lease, where declared
//
// The owner sends adverts. When the other has heard none for three intervals
// and a skew of up to one (RFC 5798, 6.1), it takes the address and tells the
// network by gratuitous ARP. So 0.1 s adverts give about 0.36 s.
//
// Adverts speak for keepalived, not for the proxy: without a track_script the
// address stays where nobody serves. And silence does not tell a dead peer from
// a cut wire: when only the way between the two is cut, both own the address,
// whatever their priorities. Two nodes cannot settle that between themselves;
// a third must. With Arbiter the address goes only with a lease from a third
// node, and a node that cannot renew it gives the address up before the lease
// can go to the other. The price is that a dead owner's lease must run out
// first.
//
// Who owns the address is asked of each node's kernel: the address is an
// entry's if a socket can be bound to it there.
//
// What hadrill found: two owners need not be seen by any client. When the wire
// between the entries is cut, both have the address for as long as the cut
// lasts, and hardly a request fails, since either answers: availability alone
// would have passed it. It is what lies behind that suffers, once it matters
// who is asked. And a frozen owner's kernel goes on holding the address and
// answering for it; that it is harmless depends on the other's gratuitous ARP.
package vip

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

const (
	entries     = 2
	maxBackends = 16
	arbiterName = "arbiter"
	yield       = 2 * time.Second // entry-1 gets the first lease where it starts in time
)

// SharedName is the name under which the shared address is reserved.
const SharedName = "shared"

func entryName(i int) string   { return fmt.Sprintf("entry-%d", i+1) }
func backendName(i int) string { return fmt.Sprintf("backend-%d", i+1) }

// Proxy is what serves at the shared address.
type Proxy string

// The proxies.
const (
	Nginx   Proxy = "nginx"   // HTTP, each request for itself
	HAProxy Proxy = "haproxy" // TCP, each connection for itself: layer 4
)

// Pair is two entries that share an address. The zero value but for Proxy has
// no check of the proxy, none of the backends, and no arbiter: the careless
// configuration.
type Pair struct {
	Proxy    Proxy
	Backends int           // default 2
	Advert   time.Duration // advert_int, tens of milliseconds; default 100 ms

	// CheckInterval is how often track_script asks the proxy; 0: no track_script.
	CheckInterval time.Duration
	// BackendCheck is how often haproxy asks each backend; 0: it does not. (nginx
	// learns of a dead backend from the requests that fail there.)
	BackendCheck time.Duration
	// Arbiter says that the address goes only with a third node's lease.
	Arbiter bool
	// Term is how long the lease lasts since it was asked for; default 600 ms.
	Term time.Duration
	// Drain is how long a backend that is asked to end goes on serving, not
	// ready, before it does.
	Drain time.Duration
	// Others names the nodes of a service that somebody else starts: then they
	// are the backends, and the pair starts none of its own.
	Others []string
	// PassOn is how long nginx waits for a backend's answer before it asks the
	// next one; default 250 ms.
	PassOn time.Duration
	// FailTimeout is how long nginx leaves a backend alone that failed once,
	// whole seconds (fail_timeout); default 10 s, which is nginx' own.
	FailTimeout time.Duration
	// BackendLatency is how long a backend works on a request.
	BackendLatency time.Duration
	// BackendLimit is how many requests nginx gives a backend at a time
	// (max_conns): with BackendLatency, what a backend can carry. 0: no limit.
	BackendLimit int
	// Zones places entry i and backend i in Zones[i mod 2], and the arbiter in
	// Zones[2]. Empty: one zone.
	Zones []string
}

var _ harness.System = Pair{}

// Name implements harness.System.
func (p Pair) Name() string { return "vip-" + string(p.Proxy) }

// filled returns p with its defaults.
func (p Pair) filled() Pair {
	if p.Backends == 0 && len(p.Others) == 0 {
		p.Backends = 2
	}
	if p.FailTimeout == 0 {
		p.FailTimeout = 10 * time.Second
	}
	if p.PassOn == 0 {
		p.PassOn = 250 * time.Millisecond
	}
	if p.Advert == 0 {
		p.Advert = 100 * time.Millisecond
	}
	if p.Term == 0 {
		p.Term = 600 * time.Millisecond
	}
	return p
}

func (p Pair) check() error {
	var errs []error
	if p.Proxy != Nginx && p.Proxy != HAProxy {
		errs = append(errs, fmt.Errorf("field Proxy %q: want %q or %q", p.Proxy, Nginx, HAProxy))
	}
	if n := p.Backends + len(p.Others); p.Backends < 0 || n < 1 || n > maxBackends {
		errs = append(errs, fmt.Errorf("fields Backends %d, Others %v: want 1 to %d in all", p.Backends, p.Others, maxBackends))
	}
	if p.Advert < 10*time.Millisecond || p.Advert%(10*time.Millisecond) != 0 || p.Advert > 40*time.Second {
		errs = append(errs, fmt.Errorf("field Advert %v: want hundredths of a second, at most 40 s (RFC 5798, 5.2.7)", p.Advert))
	}
	for name, d := range map[string]time.Duration{"CheckInterval": p.CheckInterval, "BackendCheck": p.BackendCheck, "Term": p.Term, "Drain": p.Drain, "BackendLatency": p.BackendLatency, "PassOn": p.PassOn} {
		if d < 0 || d%time.Millisecond != 0 {
			errs = append(errs, fmt.Errorf("field %s: want whole milliseconds, not below zero", name))
		}
	}
	if p.FailTimeout < time.Second || p.FailTimeout%time.Second != 0 {
		errs = append(errs, fmt.Errorf("field FailTimeout %v: want whole seconds", p.FailTimeout))
	}
	if p.BackendLimit < 0 || p.BackendLimit > 0 && p.Proxy != Nginx {
		errs = append(errs, fmt.Errorf("field BackendLimit %d: want none below zero, and nginx", p.BackendLimit))
	}
	if len(p.Zones) != 0 && len(p.Zones) != entries+1 {
		errs = append(errs, fmt.Errorf("field Zones %v: want none, or two and the arbiter's", p.Zones))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("vip.Pair: %w", err)
	}
	return nil
}

//go:embed node.sh
var nodeScript []byte

//go:embed node.pl
var nodeState []byte

//go:embed check.sh
var checkScript []byte

// Start implements harness.System: all nodes side by side. An entry is ready
// when its proxy and its word on the address can be asked; who owns the address
// is Settle's to wait for.
func (p Pair) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	p = p.filled()
	if err := p.check(); err != nil {
		return nil, err
	}
	shared := env.Reserve(SharedName)
	self := make([]netip.Addr, entries)
	for i := range self {
		self[i] = env.Reserve(entryName(i))
	}
	backends := make([]netip.Addr, p.Backends)
	for i := range backends {
		backends[i] = env.Reserve(backendName(i))
	}
	targets := slices.Clone(backends)
	for _, name := range p.Others {
		targets = append(targets, env.Reserve(name))
	}
	var arbiter netip.Addr
	if p.Arbiter {
		arbiter = env.Reserve(arbiterName)
	}
	var specs []harness.NodeSpec
	for i := range self {
		specs = append(specs, p.entry(env, i, shared, self, targets, arbiter))
	}
	settings := map[string]string{}
	if p.Drain > 0 {
		settings["HADRILL_DRAIN"] = p.Drain.String()
	}
	if p.BackendLatency > 0 {
		settings["HADRILL_LATENCY"] = p.BackendLatency.String()
	}
	for i := range backends {
		spec := components.Spec(env, "backend", backendName(i), settings)
		spec.Zone = p.zone(i % entries)
		specs = append(specs, spec)
	}
	if p.Arbiter {
		spec := components.Spec(env, "arbiter", arbiterName, map[string]string{"HADRILL_TERM": p.Term.String()})
		spec.Zone = p.zone(entries)
		specs = append(specs, spec)
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	return newRunning(p, env, shared, nodes), nil
}

// zone returns a zone's name, "" where there is only one.
func (p Pair) zone(i int) string {
	if len(p.Zones) == 0 {
		return ""
	}
	return p.Zones[i]
}

// entry declares one of the two entries.
func (p Pair) entry(env *harness.Env, i int, shared netip.Addr, self, backends []netip.Addr, arbiter netip.Addr) harness.NodeSpec {
	wide := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 24) } // as wide as the run's networks
	command := []string{"/etc/hadrill/node.sh", self[i].String()}
	proxy := harness.File{Path: "/etc/hadrill/nginx.conf", Content: []byte(p.nginx(backends))}
	if p.Proxy == HAProxy {
		proxy = harness.File{Path: "/etc/hadrill/haproxy.cfg", Content: []byte(p.haproxy(backends))}
		command = append(command, "haproxy", "-db", "-f", proxy.Path)
	} else {
		command = append(command, "nginx", "-c", proxy.Path)
	}
	environ := map[string]string{
		"HADRILL_SHARED": shared.String(), "HADRILL_NODE": entryName(i),
		"HADRILL_TERM_MS": strconv.FormatInt(p.Term.Milliseconds(), 10),
	}
	if arbiter.IsValid() {
		environ["HADRILL_ARBITER"] = arbiter.String()
		environ["HADRILL_YIELD_MS"] = strconv.FormatInt(int64(i)*yield.Milliseconds(), 10)
	}
	return harness.NodeSpec{
		Name: entryName(i), Zone: p.zone(i), Component: "edge", Command: command, Env: environ, Caps: []string{"NET_ADMIN"},
		Files: []harness.File{
			proxy,
			{Path: "/etc/hadrill/keepalived.conf", Content: []byte(p.keepalived(i, wide(self[i]), wide(self[1-i]), wide(shared)))},
			{Path: "/etc/hadrill/node.sh", Mode: 0o755, Content: nodeScript},
			{Path: "/etc/hadrill/check.sh", Mode: 0o755, Content: checkScript},
			{Path: "/etc/hadrill/node.pl", Content: nodeState},
		},
		Ready: func(ctx context.Context, n *harness.Node) error {
			for port, path := range map[uint16]string{alivePort: aliveRoute, statePort: "/"} {
				answer, err := probe.Once(ctx, env.Data(), netip.AddrPortFrom(n.Addr(), port), path)
				if err != nil {
					return err
				}
				if answer.Status != http.StatusOK {
					return fmt.Errorf("port %d answered %d", port, answer.Status)
				}
			}
			return nil
		},
	}
}
