package memcached

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const (
	beliefLimit = 100 * time.Millisecond // how long a server may take to answer
	settlePause = 25 * time.Millisecond
)

// Running is a started Pool.
type Running struct {
	declared Pool // defaults filled in
	nodes    []*harness.Node
	askers   []*asker
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.CacheStore         = (*Running)(nil)
)

func newRunning(p Pool, env *harness.Env, nodes []*harness.Node) *Running {
	r := &Running{declared: p, nodes: nodes}
	for _, n := range nodes {
		r.askers = append(r.askers, &asker{from: env.Data(), addr: address(n)})
	}
	return r
}

// Nodes implements harness.Running.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// Stop implements harness.Stopper: it drops the connections for observation.
func (r *Running) Stop(context.Context) error {
	for _, a := range r.askers {
		a.close()
	}
	return nil
}

// ask asks all servers at once whether they answer.
func (r *Running) ask(ctx context.Context) []error {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	errs := make([]error, len(r.askers))
	var group sync.WaitGroup
	for i, a := range r.askers {
		group.Go(func() { errs[i] = a.version(ctx) })
	}
	group.Wait()
	return errs
}

// Beliefs implements harness.RoleReporter: every server that answers serves
// its own keys. Servers know of no other, and so name no primary.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	beliefs := make([]harness.Belief, len(r.nodes))
	for i, err := range r.ask(ctx) {
		beliefs[i] = harness.Belief{Node: r.nodes[i].Name(), Self: harness.Primary}
		if err != nil {
			beliefs[i].Self, beliefs[i].Err = harness.Unknown, err.Error()
		}
	}
	return beliefs
}

// Redundancy implements harness.RedundancyReporter: servers that answer.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	errs := r.ask(ctx)
	for _, err := range errs {
		if err == nil {
			have++
		}
	}
	if ctx.Err() != nil {
		return 0, 0, ctx.Err()
	}
	return have, len(errs), nil
}

// Settle implements harness.Settler: every server answers.
func (r *Running) Settle(ctx context.Context) error {
	for {
		err := errors.Join(r.ask(ctx)...)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", r.declared.Name(), ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}
