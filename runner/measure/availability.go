package measure

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// span is the half-open time [from, to) that a figure is computed over.
type span struct{ from, to record.Time }

func (w span) length() time.Duration { return max(0, w.to.Sub(w.from)) }

func (w span) has(t record.Time) bool { return w.from <= t && t < w.to }

// slices cuts the window into slices of length d and returns how many of
// those with an intended operation were good (good ratio >= success), and for
// how long the service browned out: enough operations were answered, but too
// many of them too late. A slice without an intended operation says nothing
// and is not counted; the last may be shorter than d.
func (s *series) slices(w span, d time.Duration, success float64) (good, total int, brownout time.Duration) {
	i := s.first(w.from)
	for a := w.from; a < w.to && i < s.len(); a = a.Add(d) {
		b := min(a.Add(d), w.to)
		j := i
		for j < s.len() && s.at[j] < b {
			j++
		}
		if n := j - i; n > 0 {
			total++
			switch {
			case !below(s.goodIn(i, j), n, success):
				good++
			case !below(s.answeredIn(i, j), n, success):
				brownout += b.Sub(a)
			}
		}
		i = j
	}
	return good, total, brownout
}

// worstWindow returns the exact worst good ratio of any window of length
// length inside w, and where that window begins (Hauer, Hoffmann, Lunney,
// Ardelean, Diwan: "Meaningful Availability", NSDI 2020). Windows are
// half-open and may begin at any nanosecond. Which operations a window holds
// changes only where its start passes an operation or its end does, so those
// starts are all that need a look: two pointers, linear time.
// ok is false when no such window fits or none holds an operation.
func (s *series) worstWindow(w span, length time.Duration) (ratio float64, at record.Time, ok bool) {
	lastStart := w.to.Add(-length)
	if length <= 0 || lastStart < w.from {
		return 0, 0, false
	}
	n := s.len()
	start := w.from
	i, j := s.first(start), s.first(start.Add(length))
	bestGood, bestN := int64(1), int64(0) // stands for more than any ratio
	for {
		if m := int64(j - i); m > 0 {
			if g := int64(s.goodIn(i, j)); bestN == 0 || g*bestN < bestGood*m {
				bestGood, bestN, at = g, m, start
			}
		}
		next := lastStart + 1
		if i < n {
			next = min(next, s.at[i]+1)
		}
		if j < n {
			next = min(next, s.at[j].Add(-length)+1)
		}
		if next > lastStart {
			break
		}
		start = next
		for i < n && s.at[i] < start {
			i++
		}
		for j < n && s.at[j] < start.Add(length) {
			j++
		}
	}
	if bestN == 0 {
		return 0, 0, false
	}
	return float64(bestGood) / float64(bestN), at, true
}

// windowLengths returns the log-spaced set 1 s, 2 s, 5 s, 10 s ... of window
// lengths shorter than the run.
func windowLengths(run time.Duration) []time.Duration {
	var ws []time.Duration
	for decade := time.Second; decade < run; decade *= 10 {
		for _, m := range []time.Duration{1, 2, 5} {
			if w := m * decade; w < run {
				ws = append(ws, w)
			}
		}
	}
	return ws
}

// durationName writes a duration as it stands in a figure's name: 1s, 100ms,
// 2m0s as 120s.
func durationName(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return strings.ReplaceAll(d.String(), "µ", "u")
}

const month = 30 * 24 * time.Hour

// budget returns which share of a 30-day error budget one failure like this
// run's spends, and how many of them a month the SLO affords. The cost of a
// failure is its bad operations, expressed as seconds of full outage at the
// run's own rate. ok is false when the SLO leaves no budget (success 1) or
// nothing was intended; perMonth is +Inf when nothing was bad.
func budget(bad, intended int, run time.Duration, failures int, success float64) (share, perMonth float64, ok bool) {
	if success >= 1 || intended == 0 || run <= 0 {
		return 0, 0, false
	}
	lost := float64(bad) / float64(intended) * run.Seconds() / float64(max(1, failures))
	share = lost / ((1 - success) * month.Seconds())
	if share == 0 {
		return 0, math.Inf(1), true
	}
	return share, 1 / share, true
}
