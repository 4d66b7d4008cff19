package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Residue lists what hadrill has changed and not undone, one line each, sorted.
// A run compares the list before its first fault with the list after its last.
type Residue []string

// Beyond returns what is in r and was not in before.
func (r Residue) Beyond(before Residue) Residue {
	var more Residue
	for _, line := range r {
		if !slices.Contains(before, line) {
			more = append(more, line)
		}
	}
	return more
}

// audit looks at every running node of the run with the eyes of every action,
// and at the server's own list of damage in force.
func (s *server) audit(ctx context.Context) ([]string, error) {
	nodes, err := s.host.discover(ctx)
	if err != nil {
		return nil, err
	}
	left := []string{}
	for _, n := range nodes {
		if _, err := n.Life(); err != nil {
			continue // nothing of a process that is not there can be left
		}
		for _, a := range actions {
			if a.Audit == nil {
				continue
			}
			found, err := a.Audit(ctx, n)
			if errors.Is(err, ErrNotRunning) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("audit node %s for %s: %w", n.name, a.Name, err)
			}
			left = append(left, found...)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.damages {
		if d.inForce() {
			left = append(left, fmt.Sprintf("%s of node %s is in force (%s)", d.action.Name, d.target.Node.name, d.id))
		}
	}
	slices.Sort(left)
	return slices.Compact(left), nil
}
