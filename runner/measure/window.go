package measure

import (
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// phases returns the run's phases with their spans: each lasts until the
// next begins, the last until the end of the log.
func phases(log *record.Log, end record.Time) []record.Phase {
	var ps []record.Phase
	for _, e := range log.Events {
		if e.Kind != record.EventPhase {
			continue
		}
		if n := len(ps); n > 0 {
			ps[n-1].To = e.At
		}
		ps = append(ps, record.Phase{Name: e.Name, From: e.At, To: max(e.At, end)})
	}
	return ps
}

// logEnd returns the last instant that the log knows of.
func logEnd(log *record.Log) record.Time {
	var end record.Time
	if n := len(log.Events); n > 0 {
		end = log.Events[n-1].At
	}
	for i := range log.Ops {
		end = max(end, log.Ops[i].End, log.Ops[i].Intended)
	}
	return end
}

// loadWindow returns the span that is judged, and the part of it before the
// first fault. It begins with phase baseline and ends with phase recovery,
// but never later than when the operation after the last intended one would
// have been due: the driver waits for answers after it stopped asking, and
// that wait is no outage.
func loadWindow(log *record.Log, ps []record.Phase) (run, baseline span) {
	found := false
	for _, p := range ps {
		switch p.Name {
		case record.PhaseBaseline:
			if !found {
				run, baseline, found = span{p.From, p.To}, span{p.From, p.To}, true
			}
		case record.PhaseFault, record.PhaseRecovery:
			if found {
				run.to = p.To
			}
		}
	}
	if !found {
		return span{}, span{}
	}
	last, rate := run.from-1, 0.0
	for i := range log.Ops {
		op := &log.Ops[i]
		if run.has(op.Intended) && int(op.Lane) < len(log.Header.Lanes) && !outside(log.Header.Lanes[op.Lane]) {
			if op.Intended > last {
				last, rate = op.Intended, log.Header.Lanes[op.Lane].Rate
			}
		}
	}
	next := last + 1
	if rate > 0 {
		next = max(next, last.Add(time.Duration(1e9/rate)))
	}
	run.to = min(run.to, next)
	baseline.to = min(baseline.to, run.to)
	return run, baseline
}

// outside tells whether a lane is apart from the open-loop schedule.
func outside(l record.Lane) bool { return l.Evidence || l.Definitive }

// judgedLane tells whether a lane's operations count. A lane from the side
// that the scenario cuts off has a declared outage; only its acknowledged
// writes count, for durability; one beside the service's answers counts where
// an objective names it.
func judgedLane(l record.Lane) bool {
	return !l.Control && !outside(l) && !l.CutOff && !l.Intruder && !l.Aside
}

// withDefaults returns the SLO with MEASURES' defaults for what is unset. A
// success ratio of zero would make every slice good, so it is never kept.
func withDefaults(slo record.SLO) record.SLO {
	if slo.Success <= 0 {
		slo.Success = 0.99
	}
	if slo.Slice <= 0 {
		slo.Slice = 100 * time.Millisecond
	}
	if slo.Stable <= 0 {
		slo.Stable = 5 * time.Second
	}
	return slo
}

// defaultResolution is what a scenario claims nothing below when it does not say.
const defaultResolution = 100 * time.Millisecond
