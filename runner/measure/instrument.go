package measure

import (
	"fmt"
	"strings"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// A generator is saturated when more than this share of the control lane's
// operations started later than the resolution. The judged lanes' own lag is
// no evidence: while a target hangs, its clients are all busy and what is due
// waits for them, which is the target's doing and counts as its latency.
const lateShare = 0.001

// starvedShare is the share of operations that the untouched lane may lose to a
// saturated generator; above it the machine was too busy to measure anything.
const starvedShare = 0.05

// exhausted are the error classes of a generator that ran out of something of
// its own: a run with any of them says nothing about its target.
var exhausted = []string{"generator: ", "EMFILE", "ENFILE", "EADDRNOTAVAIL", "too many open files", "cannot assign requested address"}

// lag is how late operations started: the schedule lag of the open loop.
type lag struct {
	worst    time.Duration
	late     int // operations started later than the resolution
	intended int
}

func (l lag) saturated() bool {
	return l.intended > 0 && float64(l.late) > lateShare*float64(l.intended)
}

func (l *lag) add(op *record.Op, resolution time.Duration) {
	late := op.Start.Sub(op.Intended)
	l.worst = max(l.worst, late)
	l.intended++
	if late > resolution {
		l.late++
	}
}

// badShare is the share of operations that were not good.
func badShare(lanes []*series) float64 {
	good, all := 0, 0
	for _, s := range lanes {
		good, all = good+s.goodIn(0, s.len()), all+s.len()
	}
	return 1 - ratio(good, max(all, 1))
}

// instrument judges the measurement itself. Noise is what timings may be off
// by: the control lane's worst gap, and of a saturated generator its worst lag
// or all the time for which the control lane was not good, whichever is more.
func (a *analysis) instrument(control []*series, errors []int) {
	in := &a.result.Instrument
	in.Resolution = a.resolution.Seconds()
	in.MaxLag = max(a.lag.worst, a.controlLag.worst).Seconds()
	for i := range a.log.Events {
		if e := &a.log.Events[i]; e.Kind == record.EventSample && e.Name == "cpu.steal" {
			in.CPUSteal = max(in.CPUSteal, e.Number)
		}
	}
	var gap time.Duration
	var at record.Time
	probes := 0
	for _, s := range control {
		probes += s.len()
		if g, from := s.longestGap(a.run.from, a.run.to); g > gap {
			gap, at = g, from
		}
	}
	in.WorstGap = gap.Seconds()
	in.Quiet = probes > 0 && gap < a.resolution
	a.noise = gap
	switch {
	case probes == 0:
		a.noise = a.run.length()
		in.Reason = "no control lane: the noise floor is unknown"
	case !in.Quiet:
		in.Reason = fmt.Sprintf("noisy: the control lane, which no fault touches, had a gap of %s at %.2f s, above the resolution of %s",
			human(gap.Seconds(), "s"), at.Sub(a.run.from).Seconds(), human(in.Resolution, "s"))
	}
	if l := a.controlLag; l.saturated() {
		in.Saturated = true
		// A starved generator loses operations all the time, not in one gap:
		// what the untouched lane lost, the others lost for the same reason.
		a.noise = max(a.noise, l.worst, time.Duration(badShare(control)*float64(a.run.length())))
		in.Reason = fmt.Sprintf("the load generator was saturated: %d of %d operations of the control lane started more than %s late, the worst %s",
			l.late, l.intended, human(in.Resolution, "s"), human(l.worst.Seconds(), "s"))
		if badShare(control) > starvedShare {
			a.invalid = in.Reason // no timing of such a run says anything about its target
		}
	}
	if d := a.log.Header.Scenario.Duration; d > 0 && !a.log.Truncated && a.run.length() < d*9/10 {
		a.invalid = fmt.Sprintf("the load lasted %s of the declared %s", human(a.run.length().Seconds(), "s"), human(d.Seconds(), "s"))
	}
	for class, n := range errors {
		if n > 0 && outOfResources(a.log.Errors[class]) {
			in.Saturated = true
			a.invalid = fmt.Sprintf("the load generator ran out of its own resources: %d operations ended with %q", n, a.log.Errors[class])
			break
		}
	}
	if a.invalid != "" {
		in.Reason = a.invalid
	}
}

func outOfResources(class string) bool {
	for _, e := range exhausted {
		if strings.Contains(class, e) {
			return true
		}
	}
	return false
}

// noisy tells whether timings cannot be trusted, and why.
func (a *analysis) noisy() (string, bool) {
	in := &a.result.Instrument
	return in.Reason, !in.Quiet || in.Saturated
}
