package vip

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

const (
	beliefLimit = 100 * time.Millisecond
	settlePause = 20 * time.Millisecond
	// settled is how long one owner must have been the only one: longer than
	// the others need to find out that they do not hear it.
	settled = 500 * time.Millisecond
)

// Running is a started pair with its backends.
type Running struct {
	declared Pair
	shared   netip.AddrPort
	nodes    []*harness.Node
	states   []*probe.HTTP // of each entry: does it hold the address
	alive    []*probe.HTTP // of each entry: does its proxy answer
	ready    []*probe.HTTP // of each backend
	through  *probe.HTTP   // through the shared address, as the load goes
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.HTTPServer         = (*Running)(nil)
)

func newRunning(p Pair, env *harness.Env, shared netip.Addr, nodes []*harness.Node) *Running {
	r := &Running{declared: p, shared: netip.AddrPortFrom(shared, servicePort), nodes: nodes}
	ask := func(a netip.Addr, port uint16) *probe.HTTP {
		return probe.NewHTTP(env.Data(), netip.AddrPortFrom(a, port))
	}
	for _, n := range nodes[:entries] {
		r.states = append(r.states, ask(n.Addr(), statePort))
		r.alive = append(r.alive, ask(n.Addr(), alivePort))
	}
	for _, n := range nodes[entries : entries+p.Backends] {
		r.ready = append(r.ready, ask(n.Addr(), components.DefaultPort))
	}
	r.through = ask(shared, servicePort)
	return r
}

// Nodes implements harness.Running: the entries, the backends, the arbiter.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer: the shared address.
func (r *Running) URL() string { return "http://" + r.shared.String() }

// Stop implements harness.Stopper.
func (r *Running) Stop(context.Context) error {
	for _, kept := range [][]*probe.HTTP{r.states, r.alive, r.ready, {r.through}} {
		for _, p := range kept {
			p.Close()
		}
	}
	return nil
}

// Beliefs implements harness.RoleReporter: an entry whose kernel has the
// address is Primary, the other one Replica. The others have no say.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	beliefs := make([]harness.Belief, entries)
	var group sync.WaitGroup
	for i, n := range r.nodes[:entries] {
		group.Go(func() {
			b := harness.Belief{Node: n.Name(), Self: harness.Unknown}
			switch answer, err := r.states[i].Get(ctx, "/"); {
			case err != nil:
				b.Err = err.Error()
			case answer.Body == "held":
				b.Self, b.Primary = harness.Primary, n.Name()
			case answer.Body == "not held":
				b.Self = harness.Replica
			default:
				b.Err = fmt.Sprintf("answered %d %q", answer.Status, answer.Body)
			}
			beliefs[i] = b
		})
	}
	group.Wait()
	return beliefs
}

// Redundancy implements harness.RedundancyReporter: the entries whose proxy
// answers, and the backends that are ready.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	answers := make(chan bool)
	ask := func(p *probe.HTTP, path string) {
		want++
		go func() {
			answer, err := p.Get(ctx, path)
			answers <- err == nil && answer.Status == http.StatusOK
		}()
	}
	for _, p := range r.alive {
		ask(p, aliveRoute)
	}
	for _, p := range r.ready {
		ask(p, "/ready")
	}
	for range want {
		if <-answers {
			have++
		}
	}
	return have, want, nil
}

// Settle implements harness.Settler: everybody serves, one entry has owned the
// address alone for a while, and a request to it is answered.
func (r *Running) Settle(ctx context.Context) error {
	var owner string
	var since time.Time
	for {
		now, err := r.steady(ctx)
		if err != nil || now != owner {
			owner, since = now, time.Now()
		}
		if err == nil && time.Since(since) >= settled {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%s has owned the address for %v only", owner, time.Since(since).Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", r.declared.Name(), ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}

// steady returns the only owner of the address.
func (r *Running) steady(ctx context.Context) (owner string, err error) {
	have, want, err := r.Redundancy(ctx)
	if err != nil {
		return "", err
	}
	if have != want {
		return "", fmt.Errorf("%d of %d entries and backends serve", have, want)
	}
	for _, b := range r.Beliefs(ctx) {
		switch {
		case b.Self == harness.Unknown:
			return "", fmt.Errorf("%s does not say whether it has the address: %s", b.Node, b.Err)
		case b.Self == harness.Primary && owner != "":
			return "", fmt.Errorf("%s and %s have the address", owner, b.Node)
		case b.Self == harness.Primary:
			owner = b.Node
		}
	}
	if owner == "" {
		return "", errors.New("nobody has the address")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := r.through.Get(ctx, "/ready")
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("the shared address answered %d", answer.Status)
	}
	return owner, err
}
