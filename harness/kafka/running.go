package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hadrill/hadrill/harness"
)

const (
	beliefLimit = 100 * time.Millisecond // how long a node may take to say what it believes
	settleLimit = 500 * time.Millisecond // one round of questions while settling
	settlePause = 50 * time.Millisecond
	createLimit = 5 * time.Second // one attempt to create the topics
)

// Running is a started Cluster.
type Running struct {
	declared    Cluster
	nodes       []*harness.Node
	brokers     []*asker // one a node, at its clients' port
	controllers []*asker // one a node, at its controllers' port
	places      []*place // of the readers, one a partition
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Quiescer           = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.SetStore           = (*Running)(nil)
	_ harness.QueueStore         = (*Running)(nil)
)

func newRunning(c Cluster, env *harness.Env, nodes []*harness.Node) *Running {
	r := &Running{declared: c, nodes: nodes}
	for _, n := range nodes {
		r.brokers = append(r.brokers, newAsker(env.Data(), n.Addr(), clientPort))
		r.controllers = append(r.controllers, newAsker(env.Data(), n.Addr(), controllerPort))
	}
	for range c.partitions() {
		r.places = append(r.places, newPlace())
	}
	return r
}

// Nodes implements harness.Running.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// Stop implements harness.Stopper: it drops the connections for observation.
func (r *Running) Stop(context.Context) error {
	for _, a := range slices.Concat(r.brokers, r.controllers) {
		a.close()
	}
	return nil
}

// views asks all nodes at once for what they know.
func (r *Running) views(ctx context.Context, limit time.Duration) ([]view, []error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answers, errs := make([]view, len(r.brokers)), make([]error, len(r.brokers))
	var group sync.WaitGroup
	for i, a := range r.brokers {
		group.Go(func() { answers[i], errs[i] = askView(ctx, a) })
	}
	group.Wait()
	return answers, errs
}

// active returns the id of the node that a majority of nodes knows as the
// active controller.
func (r *Running) active(ctx context.Context, limit time.Duration) (int32, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answers, errs := make([]int32, len(r.controllers)), make([]error, len(r.controllers))
	var group sync.WaitGroup
	for i, a := range r.controllers {
		group.Go(func() { answers[i], errs[i] = askController(ctx, a) })
	}
	group.Wait()
	for i, id := range answers {
		votes := 0
		for k := range answers {
			if errs[k] == nil && answers[k] == id {
				votes++
			}
		}
		if errs[i] == nil && id > 0 && votes > len(answers)/2 {
			return id, nil
		}
	}
	return -1, fmt.Errorf("no majority knows one active controller (they say %v): %w", answers, errors.Join(errs...))
}

// Beliefs implements harness.RoleReporter: whom each broker holds for the
// leader of the topic's first partition, and in which epoch. A broker that
// takes itself for the leader of any partition is primary.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	answers, errs := r.views(ctx, beliefLimit)
	beliefs := make([]harness.Belief, len(answers))
	for i, v := range answers {
		b := harness.Belief{Node: r.nodes[i].Name(), Self: harness.Replica}
		switch {
		case errs[i] != nil:
			b.Self, b.Err = harness.Unknown, errs[i].Error()
		case len(v.parts) == 0:
			b.Self, b.Err = harness.Unknown, "does not know the topic"
		default:
			b.Primary, b.Term = nodeName(v.parts[0].leader), int64(v.parts[0].epoch)
			if slices.ContainsFunc(v.parts, func(p part) bool { return p.leader == nodeID(i) }) {
				b.Self = harness.Primary
			}
		}
		beliefs[i] = b
	}
	return beliefs
}

// Redundancy implements harness.RedundancyReporter: the in-sync replicas of
// the partition that has the fewest; none where nobody leads.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	answers, errs := r.views(ctx, beliefLimit)
	parts := newest(answers, errs)
	if len(parts) == 0 {
		return 0, len(r.nodes), fmt.Errorf("count in-sync replicas: no broker answers: %w", errors.Join(errs...))
	}
	have = len(r.nodes)
	for _, p := range parts {
		if p.leader < 0 {
			return 0, len(r.nodes), nil
		}
		have = min(have, len(p.isr))
	}
	return have, len(r.nodes), nil
}

// Settle implements harness.Settler: every broker is known to all, all name
// the same leaders, every replica is in sync, and a controller is active.
func (r *Running) Settle(ctx context.Context) error {
	return until(ctx, "settle kafka", func() error {
		if _, err := r.active(ctx, settleLimit); err != nil {
			return err
		}
		answers, errs := r.views(ctx, settleLimit)
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for i, v := range answers {
			if len(v.brokers) != len(r.nodes) {
				return fmt.Errorf("%s knows %d of %d brokers", r.nodes[i].Name(), len(v.brokers), len(r.nodes))
			}
		}
		if why := agree(answers, errs, r.declared.partitions()); why != "" {
			return errors.New(why)
		}
		for k, p := range newest(answers, errs) {
			if len(p.isr) != len(r.nodes) {
				return fmt.Errorf("%d of %d replicas of partition %d are in sync", len(p.isr), len(r.nodes), k)
			}
		}
		return nil
	})
}

// Quiesce implements harness.Quiescer: all brokers that answer name the same
// leader in the same epoch for every partition, and it is one of them. A
// broker that returns later follows that leader and drops what it has beyond.
func (r *Running) Quiesce(ctx context.Context) error {
	return until(ctx, "quiesce kafka", func() error {
		answers, errs := r.views(ctx, settleLimit)
		if why := agree(answers, errs, r.declared.partitions()); why != "" {
			return errors.New(why)
		}
		return nil
	})
}

// until asks again and again whether a state is reached.
func until(ctx context.Context, what string, reached func() error) error {
	for {
		err := reached()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; not yet: %w", what, ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}

// createTopics makes the topics once all brokers are there. The first leader is
// the node after the active controller's, which comes last.
func (r *Running) createTopics(ctx context.Context) error {
	return until(ctx, "create topics", func() error {
		controller, err := r.active(ctx, settleLimit)
		if err != nil {
			return err
		}
		known, err := askView(ctx, r.brokers[0])
		switch {
		case err != nil:
			return err
		case len(known.parts) > 0:
			return nil
		case len(known.brokers) != len(r.nodes):
			return fmt.Errorf("%d of %d brokers are there", len(known.brokers), len(r.nodes))
		}
		ctx, cancel := context.WithTimeout(ctx, createLimit)
		defer cancel()
		answer, err := r.brokers[0].ask(ctx, r.declared.topicRequest(controller))
		if err != nil {
			return err
		}
		for _, made := range answer.(*kmsg.CreateTopicsResponse).Topics {
			if err := kerr.ErrorForCode(made.ErrorCode); err != nil && err != kerr.TopicAlreadyExists {
				said := ""
				if made.ErrorMessage != nil {
					said = *made.ErrorMessage
				}
				return fmt.Errorf("%w: %s", err, said)
			}
		}
		return nil
	})
}
