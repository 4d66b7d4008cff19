package measure

import (
	"slices"
	"sort"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// series is the operations of one lane, or of all judged lanes, as columns in
// order of their intended start, with prefix sums: the count of good (or
// answered) operations of any window is one subtraction.
type series struct {
	at       []record.Time // intended start, ascending
	latency  []int64       // End-Intended in nanoseconds, never negative
	good     []int32       // good[i] is the number of good operations before i
	answered []int32       // the same for ok and degraded, however late
	degraded []int32       // the same for those answered in a degraded way
	done     []record.Time // ends of the good operations, ascending after finish
}

func newSeries(capacity int) *series {
	s := &series{
		at:       make([]record.Time, 0, capacity),
		latency:  make([]int64, 0, capacity),
		good:     make([]int32, 1, capacity+1),
		answered: make([]int32, 1, capacity+1),
		degraded: make([]int32, 1, capacity+1),
		done:     make([]record.Time, 0, capacity),
	}
	return s
}

func (s *series) add(op *record.Op, slo time.Duration) {
	s.at = append(s.at, op.Intended)
	s.latency = append(s.latency, max(0, int64(op.End-op.Intended)))
	g, a, d := s.good[len(s.good)-1], s.answered[len(s.answered)-1], s.degraded[len(s.degraded)-1]
	if op.Outcome == record.Degraded {
		d++
	}
	if answered(op) {
		a++
	}
	if isGood(op, slo) {
		g++
		s.done = append(s.done, op.End)
	}
	s.good, s.answered, s.degraded = append(s.good, g), append(s.answered, a), append(s.degraded, d)
}

func (s *series) finish() { slices.Sort(s.done) }

// answered tells whether an operation took effect or got a correct degraded
// answer, however long it took.
func answered(op *record.Op) bool {
	return op.Outcome == record.Ok || op.Outcome == record.Degraded
}

// isGood tells whether an operation is good: answered within the SLO's
// latency of its intended start. An SLO without a latency bounds nothing.
func isGood(op *record.Op, slo time.Duration) bool {
	return answered(op) && (slo <= 0 || op.End.Sub(op.Intended) <= slo)
}

func (s *series) len() int { return len(s.at) }

// first returns the index of the first operation due at t or later.
func (s *series) first(t record.Time) int {
	return sort.Search(len(s.at), func(i int) bool { return s.at[i] >= t })
}

func (s *series) isGood(i int) bool { return s.good[i+1] > s.good[i] }

func (s *series) goodIn(i, j int) int { return int(s.good[j] - s.good[i]) }

func (s *series) answeredIn(i, j int) int { return int(s.answered[j] - s.answered[i]) }

// longestGap returns the longest span within [from, to] in which no good
// operation ended. Ends are used, not starts, because the first answer after
// an outage comes at its end, while the operation answered may have been due
// up to one SLO latency earlier.
func (s *series) longestGap(from, to record.Time) (gap time.Duration, at record.Time) {
	at = from
	last := from
	i := sort.Search(len(s.done), func(i int) bool { return s.done[i] > from })
	for ; i < len(s.done) && s.done[i] < to; i++ {
		if d := s.done[i].Sub(last); d > gap {
			gap, at = d, last
		}
		last = s.done[i]
	}
	if d := to.Sub(last); d > gap {
		gap, at = d, last
	}
	return gap, at
}

// gaps calls f for each span longer than floor within [from, to] in which no
// good operation ended.
func (s *series) gaps(from, to record.Time, floor time.Duration, f func(a, b record.Time)) {
	last := from
	i := sort.Search(len(s.done), func(i int) bool { return s.done[i] > from })
	for ; i < len(s.done) && s.done[i] < to; i++ {
		if s.done[i].Sub(last) > floor {
			f(last, s.done[i])
		}
		last = s.done[i]
	}
	if to.Sub(last) > floor {
		f(last, to)
	}
}

// below tells whether good of n falls short of the ratio, with room for the
// rounding of ratio*n.
func below(good, n int, ratio float64) bool {
	return float64(good) < ratio*float64(n)-1e-9
}
