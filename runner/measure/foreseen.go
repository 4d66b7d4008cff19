package measure

import "github.com/hadrill/hadrill/runner/record"

// foreseen measures how long before the first failed operation a component
// last declared the failure: the time in which somebody could have acted. It is
// zero when nothing was said, and unknown when nothing failed. An operation that
// is only late did not fail: noise must not look like the failure.
//
//	            certwatch: "ends in 2 s"        first handshake fails
//	load ──────────────────┼──────────────────────────────┼──────────
//	                       └───────── foreseen ───────────┘
func (a *analysis) foreseen() quantity {
	q := quantity{unit: "s", tolerance: a.noise.Seconds(), missing: "no operation failed: there was nothing to foresee"}
	for i := range a.ops {
		op := &a.ops[i]
		if !a.counts(op) || !a.run.has(op.Intended) {
			continue
		}
		q.samples++
		if op.Outcome == record.Fail || op.Outcome == record.Info {
			q.ok, q.value = true, a.warnedBefore(op.Intended)
			return q
		}
	}
	return q
}

// warnedBefore is how long before t a failure was last declared under load; 0
// when none was.
func (a *analysis) warnedBefore(t record.Time) float64 {
	last := t
	for i := range a.log.Events {
		if e := &a.log.Events[i]; e.Kind == record.EventDeclared && e.At >= a.run.from && e.At < t {
			last = e.At
		}
	}
	return t.Sub(last).Seconds()
}
