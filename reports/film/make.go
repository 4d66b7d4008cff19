package film

import (
	"slices"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// Window says which part of a run to film and how finely. The zero value
// films from the baseline to the end of the load in DefaultBins bins.
type Window struct {
	From, To record.Time // both zero: the whole run
	Bins     int
}

// DefaultBins is the resolution of a film: two drawn pixels a bin.
const DefaultBins = 400

// Make films a run. The result gives marks, incidents and phases; log gives
// the rest and may be nil (a run that failed before it had one), which yields
// a film without bins.
func Make(log *record.Log, res *record.Result, w Window) *Film {
	f := &Film{Schema: Schema, Run: res.Run, Scenario: res.Scenario.Name, Repeat: res.Repeat, SLO: res.Scenario.SLO}
	if w.Bins <= 0 {
		w.Bins = DefaultBins
	}
	from, to := w.From, w.To
	if from == 0 && to == 0 {
		from, to = span(log, res)
	}
	f.From, f.Zero = from, from
	for _, in := range res.Incidents {
		if !in.Failback && in.Marks.T0 != record.Never {
			f.Zero, f.HasT0 = in.Marks.T0, true
			break
		}
	}
	f.pins(res)
	f.incidents(res)
	if l := res.Ledger; l != nil {
		f.LostTotal = l.Lost
		for _, op := range l.FirstLost {
			f.Lost = append(f.Lost, op.End)
		}
	}
	for _, p := range res.Phases {
		f.Phases = append(f.Phases, PhaseStart{p.Name, p.From})
	}
	if log == nil || to <= from {
		return f
	}
	f.Bins = w.Bins
	f.Step = max(1, (int64(to-from)+int64(w.Bins)-1)/int64(w.Bins))
	f.bin(log)
	f.bands(log, res)
	f.roles(log)
	f.events(log)
	f.spectra(log, res)
	return f
}

// span returns the time from the baseline's start to the end of the load.
func span(log *record.Log, res *record.Result) (from, to record.Time) {
	from, to = record.Never, record.Never
	for _, p := range res.Phases {
		switch p.Name {
		case record.PhaseBaseline:
			from = p.From
		case record.PhaseRecovery:
			to = p.To
		}
	}
	if log != nil && (from == record.Never || to == record.Never) {
		for i := range log.Ops {
			op := &log.Ops[i]
			if lane := int(op.Lane); lane >= len(log.Header.Lanes) || log.Header.Lanes[lane].Evidence {
				continue
			}
			if from == record.Never {
				from = op.Intended
			}
			to = max(to, op.Intended+1)
		}
	}
	if from == record.Never {
		from = 0
	}
	return from, max(to, from)
}

// bin counts operations and takes quantiles, in one pass: operations come in
// order of Intended, so a bin is finished when the next one begins.
func (f *Film) bin(log *record.Log) {
	n := f.Bins
	index := make([]int, len(log.Header.Lanes)) // header lane -> film lane, -1 if not drawn
	for i, l := range log.Header.Lanes {
		index[i] = -1
		if l.Evidence {
			continue
		}
		index[i] = len(f.Lanes)
		f.Lanes = append(f.Lanes, Lane{Name: l.Name, Control: l.Control, Rate: l.Rate,
			Good: make([]int32, n), Late: make([]int32, n), Failed: make([]int32, n), Unknown: make([]int32, n)})
	}
	f.Latency, f.Control = newLatency(n), newLatency(n)
	var judged, control []int32
	cur := 0
	flush := func() {
		f.Latency.set(cur, judged)
		f.Control.set(cur, control)
		judged, control = judged[:0], control[:0]
	}
	slo, to := f.SLO.Latency, f.To()
	for i := range log.Ops {
		op := &log.Ops[i]
		if int(op.Lane) >= len(index) || index[op.Lane] < 0 || op.Intended < f.From || op.Intended >= to {
			continue
		}
		b := int(int64(op.Intended-f.From) / f.Step)
		if b != cur {
			flush()
			cur = b
		}
		lane := &f.Lanes[index[op.Lane]]
		took := op.End.Sub(op.Intended)
		switch op.Outcome {
		case record.Ok, record.Degraded:
			if slo > 0 && took > slo && !lane.Control {
				lane.Late[b]++
			} else {
				lane.Good[b]++
			}
		case record.Fail:
			lane.Failed[b]++
			continue
		default:
			lane.Unknown[b]++
		}
		us := int32(min(max(took/time.Microsecond, 0), 1<<30))
		if lane.Control {
			control = append(control, us)
		} else {
			judged = append(judged, us)
		}
	}
	flush()
}

func newLatency(n int) Latency {
	l := Latency{make([]int32, n), make([]int32, n), make([]int32, n), make([]int32, n)}
	for _, s := range [][]int32{l.Min, l.P50, l.P99, l.Max} {
		for i := range s {
			s[i] = None
		}
	}
	return l
}

// set stores the quantiles (nearest rank) of one bin.
func (l *Latency) set(i int, us []int32) {
	if len(us) == 0 {
		return
	}
	slices.Sort(us)
	rank := func(q float64) int32 { return us[min(len(us)-1, int(q*float64(len(us))))] }
	l.Min[i], l.P50[i], l.P99[i], l.Max[i] = us[0], rank(.50), rank(.99), us[len(us)-1]
}
