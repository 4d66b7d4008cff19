package measure

import (
	"fmt"

	"github.com/hadrill/hadrill/runner/record"
)

// removed measures how long after the first fault a node was still believed
// primary: how stale the picture was of those who send requests to it. A node
// that was never primary gives no value, one that was to the end a censored one.
func (a *analysis) removed(node string) quantity {
	q := quantity{unit: "s", tolerance: a.noise.Seconds(), floor: true, missing: "the run has no effective fault"}
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
	q.missing = fmt.Sprintf("%s was not primary when the fault came", node)
	primary := false
	for _, e := range a.log.Events {
		if e.Kind != record.EventBelief || e.Node != node {
			continue
		}
		is := e.Name == "primary"
		if e.At < t0 {
			primary = is
			continue
		}
		if primary && !is {
			q.ok, q.samples, q.value = true, 1, e.At.Sub(t0).Seconds()
			return q
		}
		primary = primary || is
	}
	if primary {
		q.ok, q.censored, q.samples, q.value = true, true, 1, a.run.to.Sub(t0).Seconds()
	}
	return q
}
