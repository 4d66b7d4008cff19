package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const (
	beliefLimit = 100 * time.Millisecond // how long a member may take to say what it believes
	settleLimit = 500 * time.Millisecond // one round of questions while settling
	settlePause = 25 * time.Millisecond
	settledLag  = 16 // entries that a settled member may be behind another, under load
)

// Running is a started Cluster.
type Running struct {
	declared Cluster
	nodes    []*harness.Node
	askers   []*asker

	mu    sync.Mutex
	names map[uint64]string // member id -> node
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Quiescer           = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.RegisterStore      = (*Running)(nil)
	_ harness.LockStore          = (*Running)(nil)
)

func newRunning(c Cluster, env *harness.Env, nodes []*harness.Node) *Running {
	r := &Running{declared: c, nodes: nodes, names: map[uint64]string{}}
	for _, n := range nodes {
		r.askers = append(r.askers, newAsker(env.Data(), n.Addr()))
	}
	return r
}

// Nodes implements harness.Running.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// Endpoints are the members' client addresses, "IP:port".
func (r *Running) Endpoints() []string {
	all := make([]string, len(r.nodes))
	for i, n := range r.nodes {
		all[i] = fmt.Sprintf("%s:%d", n.Addr(), clientPort)
	}
	return all
}

// Stop implements harness.Stopper: it drops the connections for observation.
func (r *Running) Stop(context.Context) error {
	for _, a := range r.askers {
		a.close()
	}
	return nil
}

// ask asks all members at once.
func (r *Running) ask(ctx context.Context, limit time.Duration) ([]view, []error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answers, errs := make([]view, len(r.askers)), make([]error, len(r.askers))
	var group sync.WaitGroup
	for i, a := range r.askers {
		group.Go(func() { answers[i], errs[i] = a.status(ctx) })
	}
	group.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range answers {
		if errs[i] == nil {
			r.names[s.Header.Member] = r.nodes[i].Name()
		}
	}
	return answers, errs
}

// Beliefs implements harness.RoleReporter: whom each member holds for the
// leader, and in which term. A member without a leader does not know its role.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	answers, errs := r.ask(ctx, beliefLimit)
	r.mu.Lock()
	defer r.mu.Unlock()
	beliefs := make([]harness.Belief, len(answers))
	for i, s := range answers {
		b := harness.Belief{Node: r.nodes[i].Name(), Self: harness.Replica, Primary: r.names[s.Leader], Term: s.Term}
		switch {
		case errs[i] != nil:
			b.Self, b.Err = harness.Unknown, errs[i].Error()
		case s.Leader == 0:
			b.Self, b.Err = harness.Unknown, "has no leader"
		case s.Leader == s.Header.Member:
			b.Self = harness.Primary
		case b.Primary == "":
			b.Primary = fmt.Sprintf("%x", s.Leader) // a member that never answered us
		}
		beliefs[i] = b
	}
	return beliefs
}

// Redundancy implements harness.RedundancyReporter: members that follow the
// leader of the newest term closely, itself included.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	answers, errs := r.ask(ctx, beliefLimit)
	have, answered := inStep(answers, errs)
	if !answered {
		err = fmt.Errorf("count members: none answers: %w", errors.Join(errs...))
	}
	return have, len(r.nodes), err
}

// inStep counts the members that follow the leader of the newest term and have
// applied nearly all that any of its followers has.
func inStep(answers []view, errs []error) (n int, answered bool) {
	var leader uint64
	var term int64
	for i, v := range answers {
		answered = answered || errs[i] == nil
		if errs[i] == nil && v.Leader != 0 && v.Term > term {
			leader, term = v.Leader, v.Term
		}
	}
	follows := func(i int) bool {
		return errs[i] == nil && leader != 0 && answers[i].Leader == leader && answers[i].Term == term
	}
	var newest uint64
	for i, v := range answers {
		if follows(i) {
			newest = max(newest, v.Index)
		}
	}
	for i, v := range answers {
		if follows(i) && v.Applied+settledLag >= newest {
			n++
		}
	}
	return n, answered
}

// Settle implements harness.Settler: every member follows the same leader and
// has applied what the others have.
func (r *Running) Settle(ctx context.Context) error {
	return r.inStepAtLeast(ctx, "settle", len(r.nodes))
}

// Quiesce implements harness.Quiescer: a majority follows one leader closely.
// What is committed from then on is final, and a linearizable read finds it: a
// member that ended itself over a full disk, and that nobody starts again,
// changes nothing about it. Serializable reads ask one member alone, so they
// have to wait for all.
func (r *Running) Quiesce(ctx context.Context) error {
	wanted := len(r.nodes)/2 + 1
	if r.declared.SerializableReads {
		wanted = len(r.nodes)
	}
	return r.inStepAtLeast(ctx, "quiesce", wanted)
}

// inStepAtLeast waits until so many members follow one leader closely.
func (r *Running) inStepAtLeast(ctx context.Context, what string, wanted int) error {
	for {
		answers, errs := r.ask(ctx, settleLimit)
		n, _ := inStep(answers, errs)
		if n >= wanted {
			return nil
		}
		select {
		case <-ctx.Done():
			why := fmt.Errorf("%d of %d members follow one leader, want %d", n, len(r.nodes), wanted)
			return fmt.Errorf("%s %s: %w; not steady: %w", what, r.declared.Name(), ctx.Err(), errors.Join(append(errs, why)...))
		case <-time.After(settlePause):
		}
	}
}
