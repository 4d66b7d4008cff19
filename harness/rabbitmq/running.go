package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const (
	beliefLimit = 100 * time.Millisecond // how long a node may take to say what it believes
	settleLimit = 500 * time.Millisecond // one round of questions while settling
	settlePause = 25 * time.Millisecond
	settledLag  = 64 // log entries that a settled member may be behind another, under load
)

// Running is a started Cluster.
type Running struct {
	declared Cluster
	nodes    []*harness.Node
	askers   []*asker
	names    map[string]string // Erlang name -> node

	resting atomic.Bool // Quiesce was called: clients opened from now on pull

	mu    sync.Mutex
	users map[*user]bool
	left  map[uint64][]int64 // taken off the queue by consumers that rest
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Quiescer           = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.QueueStore         = (*Running)(nil)
)

func newRunning(c Cluster, env *harness.Env, nodes []*harness.Node) *Running {
	r := &Running{declared: c, nodes: nodes, names: map[string]string{}, users: map[*user]bool{}, left: map[uint64][]int64{}}
	for _, n := range nodes {
		r.askers = append(r.askers, newAsker(env.Data(), n.Addr()))
		r.names[erlangName(member{n.Name(), n.Addr()})] = n.Name()
	}
	return r
}

// Nodes implements harness.Running.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

func (r *Running) addresses() []netip.AddrPort {
	all := make([]netip.AddrPort, len(r.nodes))
	for i, n := range r.nodes {
		all[i] = netip.AddrPortFrom(n.Addr(), clientPort)
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

// ask asks all nodes at once.
func (r *Running) ask(ctx context.Context, limit time.Duration) ([]view, []error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answers, errs := make([]view, len(r.askers)), make([]error, len(r.askers))
	var group sync.WaitGroup
	for i, a := range r.askers {
		group.Go(func() { answers[i], errs[i] = a.view(ctx) })
	}
	group.Wait()
	return answers, errs
}

// Beliefs implements harness.RoleReporter: whom each node holds for the leader
// of the first queue, and in which term. All queues are led by the first node
// to begin with; later each goes its own way.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	answers, errs := r.ask(ctx, beliefLimit)
	beliefs := make([]harness.Belief, len(answers))
	for i, v := range answers {
		beliefs[i] = r.belief(r.nodes[i].Name(), v, errs[i])
	}
	return beliefs
}

func (r *Running) belief(node string, v view, err error) harness.Belief {
	b := harness.Belief{Node: node, Self: harness.Unknown}
	if err != nil {
		b.Err = err.Error()
		return b
	}
	q, found := v.queue(queueName(0))
	if !found {
		b.Err = fmt.Sprintf("does not know %s; serves: %t", queueName(0), v.Serves)
		return b
	}
	b.Primary, b.Term = r.names[q.Leader], q.Term
	switch {
	case q.State == "classic" && b.Primary == node:
		b.Self = harness.Primary
	case q.State == "classic":
		b.Self = harness.Proxy // it passes on
	case q.State == "leader":
		b.Self, b.Primary = harness.Primary, node
	case q.State == "follower" && b.Primary != "":
		b.Self = harness.Replica
	default:
		b.Err = "its member is " + q.State
	}
	return b
}

func (v view) queue(name string) (memberOf, bool) {
	i := slices.IndexFunc(v.Queues, func(q memberOf) bool { return q.Name == name })
	if i < 0 {
		return memberOf{}, false
	}
	return v.Queues[i], true
}

// Redundancy implements harness.RedundancyReporter: the nodes that have a copy
// in step with its leader, of the queue that has the fewest.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	answers, errs := r.ask(ctx, beliefLimit)
	if !slices.Contains(errs, nil) {
		return 0, len(r.nodes), fmt.Errorf("count members: none answers: %w", errors.Join(errs...))
	}
	have = len(r.nodes)
	for q := range r.declared.queues() {
		have = min(have, r.inStep(queueName(uint64(q)), answers, errs))
	}
	return have, len(r.nodes), nil
}

// inStep counts the nodes that have a copy of a queue: members that follow the
// leader of the newest term, have applied nearly all that any of them has, and
// know of the same queues as their leader does.
func (r *Running) inStep(name string, answers []view, errs []error) (n int) {
	members := make([]memberOf, len(answers))
	var newest memberOf // of the newest term that somebody knows a leader of
	for i, v := range answers {
		q, found := v.queue(name)
		if errs[i] != nil || !found {
			continue
		}
		if q.State == "classic" {
			if r.names[q.Leader] == r.nodes[i].Name() {
				return 1 // the only copy that there is
			}
			continue
		}
		members[i] = q
		if q.Leader != "" && q.Term >= newest.Term {
			newest = q
		}
	}
	follows := func(i int) bool {
		q := members[i]
		return newest.Leader != "" && q.Leader == newest.Leader && q.Term == newest.Term &&
			(q.State == "leader" || q.State == "follower" && slices.Contains(answers[i].Peers, q.Leader))
	}
	var applied int64
	for i, q := range members {
		if follows(i) {
			applied = max(applied, q.Applied)
		}
	}
	for i, q := range members {
		if follows(i) && q.Applied+settledLag >= applied {
			n++
		}
	}
	return n
}

// unsettled says what is not as it should be: nil when every node serves,
// shares its database with all others and agrees on the leader of every queue, and all copies are in step.
func (r *Running) unsettled(answers []view, errs []error) error {
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var wrong []string
	for i, v := range answers {
		if !v.Serves || len(v.Peers) != len(r.nodes)-1 {
			wrong = append(wrong, fmt.Sprintf("%s serves: %t, and shares its database with %d of %d others", r.nodes[i].Name(), v.Serves, len(v.Peers), len(r.nodes)-1))
		}
	}
	copies := len(r.nodes)
	if r.declared.kind() == Classic {
		copies = 1
	}
	wrong = append(wrong, r.scattered(copies, answers, errs)...)
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// scattered names the queues with fewer than so many copies in step.
func (r *Running) scattered(copies int, answers []view, errs []error) (wrong []string) {
	for q := range r.declared.queues() {
		name := queueName(uint64(q))
		if n := r.inStep(name, answers, errs); n < copies {
			wrong = append(wrong, fmt.Sprintf("%d of %d copies of %s are in step", n, copies, name))
		}
	}
	return wrong
}

// Settle implements harness.Settler.
func (r *Running) Settle(ctx context.Context) error {
	return r.until(ctx, "settle", func() error { return r.unsettled(r.ask(ctx, settleLimit)) })
}

// until repeats look until it finds nothing wrong or ctx ends.
func (r *Running) until(ctx context.Context, what string, look func() error) error {
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w; not steady: %w", what, r.declared.Name(), ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}
