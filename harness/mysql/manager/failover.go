package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	stopLimit  = 2 * time.Second  // for stopping receivers
	applyLimit = 30 * time.Second // for applying what was received
)

// fence is how many replicas must have stopped receiving before one of them
// may be promoted; see the package's doc. Without acknowledgements no number
// is safe: whoever answers is the best there is.
func (m *Manager) fence() int {
	if m.set.Acks == 0 {
		return 1
	}
	return len(m.servers) - 1 - m.set.Acks + 1
}

// consider fails over if the silent primary is dead for the replicas too. What
// it takes to be sure of that and what it takes to promote go on side by side:
// receivers that have lost the primary are stopped at once.
func (m *Manager) consider(ctx context.Context, primary *server) error {
	var reachable, hearing []*server
	for _, s := range m.servers {
		if s == primary || s.seen.err != nil || m.now()-s.seen.heard > m.set.DownAfter || s.busy.Load() {
			continue
		}
		reachable = append(reachable, s)
		if from, ok := s.seen.follows(); ok && from == primary.Addr && s.seen.receives() {
			hearing = append(hearing, s)
		}
	}
	due := m.due(primary.seen)
	switch {
	case len(hearing) > 0:
		m.release(ctx, primary, reachable)
		if due {
			m.wait("waits: %s is silent, but %s still hears from it", primary.Name, names(hearing))
		}
		return nil
	case len(reachable) < m.fence():
		m.release(ctx, primary, reachable)
		if due {
			m.wait("waits: %s is silent, but only %d of %d replicas answer, and it takes %d to be sure of every acknowledged commit",
				primary.Name, len(reachable), len(m.servers)-1, m.fence())
		}
		return nil
	case !due:
		m.hold(ctx, reachable)
		return nil
	}
	if !m.dead {
		m.dead = true
		m.say("declared: %s is dead: silent for %s, and %s lost it too", primary.Name, m.silence(primary.seen).Round(time.Millisecond), names(reachable))
	}
	chosen, err := m.elect(ctx, reachable)
	if err != nil {
		if ctx.Err() == nil {
			m.wait("failover put off: %v", err)
		}
		return nil
	}
	if err := m.decide(chosen); err != nil {
		return err
	}
	// What was seen when the receivers had stopped is all that it takes to go on.
	m.reconcile(ctx, chosen, m.decided.Load().Term)
	return nil
}

// silence is how long a server has not answered, since the last decision at
// most.
func (m *Manager) silence(s seen) time.Duration { return m.now() - max(s.heard, m.since) }

// due tells whether a silent primary has been silent for long enough. It must
// have missed two questions: a manager that was frozen itself has only its own
// absence to show.
func (m *Manager) due(primary seen) bool {
	return m.silence(primary) >= m.set.DownAfter && primary.misses >= 2
}

// hold stops receivers that have lost a primary which may be dead, as a
// failover will have to: one that is dialling hangs for a second and more, and
// cannot be stopped meanwhile. Nothing is lost if the primary lives after all,
// for they receive nothing; they are started again when it answers.
func (m *Manager) hold(ctx context.Context, replicas []*server) {
	for _, s := range replicas {
		if s.seen.replica["Replica_IO_Running"] == "No" || !s.stopping.CompareAndSwap(false, true) {
			continue
		}
		m.work.Go(func() {
			defer m.tell()
			defer s.stopping.Store(false)
			ctx, cancel := context.WithTimeout(ctx, stopLimit)
			defer cancel()
			if err := s.hand.Exec(ctx, stopReceiver); err != nil {
				m.complain(s, err)
			}
		})
	}
}

// release starts receivers again that were stopped on suspicion, when it turns
// out that nobody can be promoted.
func (m *Manager) release(ctx context.Context, primary *server, replicas []*server) {
	for _, s := range replicas {
		if from, ok := s.seen.follows(); ok && from == primary.Addr && s.seen.replica["Replica_IO_Running"] == "No" && !s.stopping.Load() {
			m.act(ctx, s, actLimit, func(ctx context.Context) error { return s.hand.Exec(ctx, "START REPLICA IO_THREAD") })
		}
	}
}

const stopReceiver = "STOP REPLICA IO_THREAD"

// wait says once why nothing is done.
func (m *Manager) wait(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != m.waiting {
		m.waiting = text
		m.say("%s", text)
	}
}

// elect stops the receivers, finds the most advanced replica and lets it apply
// all it has received.
func (m *Manager) elect(ctx context.Context, replicas []*server) (*server, error) {
	stopped, err := m.stopReceivers(ctx, replicas)
	if len(stopped) < m.fence() {
		return nil, fmt.Errorf("%d of %d receivers stopped, it takes %d: %w", len(stopped), len(replicas), m.fence(), err)
	}
	m.say("fenced: %s stopped receiving", names(stopped))
	best := stopped[0]
	for _, s := range stopped[1:] {
		var ahead bool
		query := fmt.Sprintf("SELECT NOT GTID_SUBSET(%s, %s)", quote(s.has()), quote(best.has()))
		if err := best.hand.Scan(ctx, query, &ahead); err != nil {
			return nil, fmt.Errorf("compare %s with %s: %w", s.Name, best.Name, err)
		}
		if ahead {
			best = s
		}
	}
	m.say("elected: %s, which has %s", best.Name, best.has())
	ctx, cancel := context.WithTimeout(ctx, applyLimit+time.Second)
	defer cancel()
	var late bool
	query := fmt.Sprintf("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %g)", quote(best.has()), applyLimit.Seconds())
	if err := best.hand.Scan(ctx, query, &late); err != nil {
		return nil, fmt.Errorf("wait for %s to apply: %w", best.Name, err)
	}
	if late {
		return nil, fmt.Errorf("%s has not applied what it received within %s", best.Name, applyLimit)
	}
	return best, nil
}

// stopReceivers stops the receivers side by side and looks again at what each
// has: nothing is added to it any more.
func (m *Manager) stopReceivers(ctx context.Context, replicas []*server) ([]*server, error) {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	errs := make([]error, len(replicas))
	var group sync.WaitGroup
	for i, s := range replicas {
		group.Go(func() {
			if errs[i] = s.hand.Exec(ctx, stopReceiver); errs[i] == nil {
				s.seen = m.probe(ctx, s.hand)
				errs[i] = s.seen.err
			}
		})
	}
	group.Wait()
	var stopped []*server
	for i, s := range replicas {
		if errs[i] == nil {
			stopped = append(stopped, s)
		}
	}
	return stopped, errors.Join(errs...)
}

// has is what a replica has received or executed, as a GTID set.
func (s *server) has() string {
	parts := []string{}
	for _, set := range []string{s.seen.executed, s.seen.replica["Retrieved_Gtid_Set"]} {
		if set = strings.ReplaceAll(set, "\n", ""); set != "" && !slices.Contains(parts, set) {
			parts = append(parts, set)
		}
	}
	return strings.Join(parts, ",")
}

func names(servers []*server) string {
	var out []string
	for _, s := range servers {
		out = append(out, s.Name)
	}
	return strings.Join(out, " and ")
}

// quote makes a text literal. GTID sets hold no character that needs escaping;
// anything else would be a fault of the server's, and is refused there.
func quote(text string) string {
	return "'" + strings.NewReplacer("'", "", `\`, "", "\n", "").Replace(text) + "'"
}
