package measure

import (
	"fmt"

	"github.com/hadrill/hadrill/runner/record"
)

// returned measures how long after the first fault a node was believed primary
// again, having lost that place: the return of the original owner. A node that
// never lost it, or never got it back, gives no value.
func (a *analysis) returned(node string) quantity {
	q := quantity{unit: "s", tolerance: a.noise.Seconds(), floor: true, missing: fmt.Sprintf("%s was never seen to lose its place", node)}
	t0 := record.Never
	for _, p := range a.incidents {
		if p.Marks.T0 != record.Never {
			t0 = p.Marks.T0
			break
		}
	}
	if t0 == record.Never {
		return q
	}
	lost := false
	for _, e := range a.log.Events {
		if e.Kind != record.EventBelief || e.At < t0 || e.Text == "" {
			continue
		}
		switch {
		case e.Text != node:
			lost = true
			q.missing = fmt.Sprintf("%s lost its place and never got it back", node)
		case lost:
			q.ok, q.samples, q.value = true, 1, e.At.Sub(t0).Seconds()
			return q
		}
	}
	return q
}
