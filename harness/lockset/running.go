package lockset

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/etcd"
)

const (
	beliefLimit = 100 * time.Millisecond // how long a worker may take to say what it believes
	settlePause = 25 * time.Millisecond
)

// Running is a started System.
type Running struct {
	store   *etcd.Running
	workers []*harness.Node
	askers  []*caller
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.SetStore           = (*Running)(nil)
)

func newRunning(env *harness.Env, store *etcd.Running, workers []*harness.Node) *Running {
	r := &Running{store: store, workers: workers}
	for _, n := range workers {
		r.askers = append(r.askers, newCaller(env.Data(), address(n)))
	}
	return r
}

func address(n *harness.Node) string {
	return netip.AddrPortFrom(n.Addr(), components.DefaultPort).String()
}

// Nodes implements harness.Running: the workers, then etcd's members.
func (r *Running) Nodes() []*harness.Node {
	return append(slices.Clone(r.workers), r.store.Nodes()...)
}

// Stop implements harness.Stopper: it drops the connections for observation.
func (r *Running) Stop(ctx context.Context) error {
	for _, a := range r.askers {
		a.close()
	}
	return r.store.Stop(ctx)
}

// ask asks every worker for the token under which it believes that it holds
// the lock.
func (r *Running) ask(ctx context.Context) ([]int64, []error) {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	tokens, errs := make([]int64, len(r.askers)), make([]error, len(r.askers))
	var group sync.WaitGroup
	for i, a := range r.askers {
		group.Go(func() {
			var text string
			if text, errs[i] = a.call(ctx, "GET", "/lock"); errs[i] == nil {
				tokens[i], errs[i] = strconv.ParseInt(text, 10, 64)
			}
		})
	}
	group.Wait()
	return tokens, errs
}

// Beliefs implements harness.RoleReporter: a worker that believes it holds the
// lock is a primary, in the term of its token; the others stand by. etcd's
// members are arbiters here, whatever they are among themselves.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	tokens, errs := r.ask(ctx)
	var beliefs []harness.Belief
	for i, n := range r.workers {
		b := harness.Belief{Node: n.Name(), Self: harness.Replica, Term: tokens[i]}
		switch {
		case errs[i] != nil:
			b.Self, b.Err = harness.Unknown, errs[i].Error()
		case tokens[i] > 0:
			b.Self, b.Primary = harness.Primary, n.Name()
		}
		beliefs = append(beliefs, b)
	}
	for _, n := range r.store.Nodes() {
		beliefs = append(beliefs, harness.Belief{Node: n.Name(), Self: harness.Arbiter})
	}
	return beliefs
}

// StoreLeader selects the member of etcd that leads it now.
var StoreLeader harness.Selector = storeLeader{}

type storeLeader struct{}

// Select implements harness.Selector.
func (storeLeader) Select(ctx context.Context, sys harness.Running) ([]*harness.Node, error) {
	r, ok := sys.(*Running)
	if !ok {
		return nil, errors.New("select leader of the lock's store: the system is no lockset.System")
	}
	return harness.Primary.Select(ctx, r.store)
}

func (storeLeader) String() string { return "leader of etcd" }

// Redundancy implements harness.RedundancyReporter: workers that answer.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	_, errs := r.ask(ctx)
	for _, err := range errs {
		if err == nil {
			have++
		}
	}
	return have, len(r.workers), ctx.Err()
}

// Settle implements harness.Settler: etcd is steady, every worker answers and
// exactly one holds the lock.
func (r *Running) Settle(ctx context.Context) error {
	if err := r.store.Settle(ctx); err != nil {
		return err
	}
	for {
		tokens, errs := r.ask(ctx)
		err := errors.Join(errs...)
		if err == nil {
			holders := 0
			for _, token := range tokens {
				if token > 0 {
					holders++
				}
			}
			if holders == 1 {
				return nil
			}
			err = fmt.Errorf("%d workers hold the lock", holders)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle lock: %w; not steady: %w", ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}

// Milestone implements harness.Milestones: a worker that finds the lock free
// declares its holder gone; one that holds it declares itself.
func (r *Running) Milestone(node, line string) (harness.Milestone, bool) {
	m := harness.Milestone{Keep: true, Text: line}
	switch {
	case strings.HasSuffix(line, " finds the lock free"):
		m.Declared = true
	case strings.Contains(line, " holds the lock with token "):
		m.Owner = true
	case strings.Contains(line, " has lost the lock with token "), strings.Contains(line, "renew lease: "):
	default:
		if r.store == nil {
			return harness.Milestone{}, false
		}
		// etcd's own elections are context here, no milestones of the lock.
		m, ok := r.store.Milestone(node, line)
		m.Declared, m.Owner = false, false
		return m, ok
	}
	return m, true
}
