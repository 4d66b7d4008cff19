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

// consider fails over if the silent primary is dead for the replicas too.
func (m *Manager) consider(ctx context.Context, primary *server) error {
	var reachable, hearing []*server
	for _, s := range m.servers {
		if s == primary || s.seen.err != nil || s.busy.Load() {
			continue
		}
		reachable = append(reachable, s)
		if from, ok := s.seen.follows(); ok && from == primary.Addr && s.seen.receives() {
			hearing = append(hearing, s)
		}
	}
	switch {
	case len(hearing) > 0:
		m.wait("waits: %s is silent, but %s still hears from it", primary.Name, names(hearing))
		return nil
	case len(reachable) < m.fence():
		m.wait("waits: %s is silent, but only %d of %d replicas answer, and it takes %d to be sure of every acknowledged commit",
			primary.Name, len(reachable), len(m.servers)-1, m.fence())
		return nil
	}
	m.say("declared: %s is dead: silent for %s, and %s lost it too", primary.Name, time.Since(m.lastSeen).Round(time.Millisecond), names(reachable))
	chosen, err := m.elect(ctx, reachable)
	if err != nil {
		if ctx.Err() == nil {
			m.say("failover put off: %v", err)
		}
		return nil
	}
	return m.decide(chosen)
}

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
			if errs[i] = s.hand.Exec(ctx, "STOP REPLICA IO_THREAD"); errs[i] == nil {
				s.seen = s.probe(ctx)
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
