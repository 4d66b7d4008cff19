package measure

import (
	"fmt"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// dip measures what a fault took, against the run's own state before it:
//
//	before the first fault    │ after it
//	0.98 ─────────────────────┐          ╭──── 0.98
//	                          ╰─ 0.67 ───╯          dip = 0.98 - 0.67
//	                             worst window
//
// Before is the share of good operations from the beginning of the load to t0
// of the first proven fault, after the worst window of that length from then
// on. A run that was no better before than in its worst window has no dip; one
// that had no more before than the limit has no height to fall from, and says
// nothing.
func (a *analysis) dip(s *series, window time.Duration) quantity {
	q := quantity{unit: "ratio", tolerance: min(1, a.noise.Seconds()/window.Seconds())}
	struck := a.firstStruck()
	i, j := s.first(a.run.from), s.first(struck)
	if struck == record.Never || i == j {
		q.missing = "no operation was intended before a proven fault"
		return q
	}
	before := ratio(s.goodIn(i, j), j-i)
	worst, _, fits := s.worstWindow(span{struck, a.run.to}, window)
	q.value, q.ok, q.samples, q.most = max(0, before-worst), fits, s.len(), &before
	q.missing = fmt.Sprintf("the run holds no window of %v after the fault", window)
	return q
}

// firstStruck is t0 of the first proven fault.
func (a *analysis) firstStruck() record.Time {
	first := record.Never
	for _, in := range a.incidents {
		if in.Proven && !in.Failback && (first == record.Never || in.Marks.T0 < first) {
			first = in.Marks.T0
		}
	}
	return first
}
