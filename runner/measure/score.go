package measure

import (
	"fmt"
	"math"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// weightGroup is a line of the score's weights: kinds that share one weight.
type weightGroup struct {
	weight float64
	kinds  []record.Kind
}

// weights are those of MEASURES, "Score". What a scenario does not promise
// gives its weight to the others in proportion.
var weights = []weightGroup{
	{0.35, []record.Kind{record.KindDurability, record.KindConsistency}},
	{0.30, []record.Kind{record.KindRTO}},
	{0.20, []record.Kind{record.KindAvailability}},
	{0.10, []record.Kind{record.KindLatency}},
	{0.05, []record.Kind{record.KindRedundancy}},
}

// scoreOf returns 100 times the weighted geometric mean of the sub-scores:
// nothing compensates for anything, and one that is zero makes all zero.
// Objectives of one group share its weight evenly. ok is false when nothing
// was graded.
func scoreOf(js []record.Judgement) (score float64, ok bool) {
	sum, total := 0.0, 0.0
	for _, g := range weights {
		var logs float64
		n := 0
		for _, j := range js {
			if (j.Verdict == record.Pass || j.Verdict == record.Failed) && g.has(j.Objective.Kind) {
				logs += math.Log(j.Quality)
				n++
			}
		}
		if n > 0 {
			sum += g.weight * logs / float64(n)
			total += g.weight
		}
	}
	if total == 0 {
		return 0, false
	}
	return 100 * math.Exp(sum/total), true
}

func (g weightGroup) has(k record.Kind) bool {
	for _, kind := range g.kinds {
		if kind == k {
			return true
		}
	}
	return false
}

// grade scores the run and notes the caps that one run alone gives evidence
// for. Only a run that passed or failed has a score: what could not be judged
// is ungraded, which is neither zero nor a pass.
func (a *analysis) grade() {
	r := a.result
	limit := func(letter, format string, args ...any) {
		r.Caps = append(r.Caps, record.Cap{Letter: letter, Reason: fmt.Sprintf(format, args...)})
	}
	if r.Verdict != record.Pass && r.Verdict != record.Failed {
		limit("U", "%s: %s", r.Verdict, r.Reason)
		return
	}
	if s, ok := scoreOf(r.Judgements); ok {
		r.Score = &s
	}
	for _, j := range r.Judgements {
		a.capObjective(j, limit)
	}
	a.capOutages(limit)
	for _, in := range r.Incidents {
		if in.Censored {
			limit("D", "the service did not come back by itself after fault %s: somebody would have had to help", in.Fault.ID)
		}
		if in.ExposedCensored {
			limit("C", "redundancy was not restored %s after fault %s", human(*in.Exposed, "s"), in.Fault.ID)
		}
	}
}

// capObjective notes the caps that follow from one judgement.
func (a *analysis) capObjective(j record.Judgement, limit func(letter, format string, args ...any)) {
	o, failed := j.Objective, j.Verdict == record.Failed
	if failed {
		limit("D", "past its limit: %s", j.Reason)
	}
	lost := 0
	if a.evidence.Ledger != nil {
		lost = a.evidence.Ledger.Lost
	}
	rpo := o.Name == "lost" || o.Name == "rpo.ops" || o.Name == "rpo.seconds"
	switch {
	case failed && rpo && o.Limit == 0:
		limit("F", "%d acknowledged writes were lost, and none may be", lost)
	case failed && o.Name == "split_brain":
		limit("F", "two owners acknowledged writes: %s", j.Reason)
	case failed && o.Kind == record.KindConsistency:
		limit("F", "a forbidden history was observed: %s", j.Reason)
	case !failed && rpo && lost > 0:
		limit("B", "%d acknowledged writes were lost, within the declared budget", lost)
	}
}

// capOutages notes outages that no fault explains, and services that came
// and went. An outage is a span longer than the resolution without a good
// operation; below the resolution nothing is claimed.
func (a *analysis) capOutages(limit func(letter, format string, args ...any)) {
	if a.all.len() == 0 {
		return
	}
	floor := a.resolution
	if n := a.all.len(); n > 1 { // a slow lane has gaps of its own making
		floor = max(floor, 5*a.run.length()/time.Duration(n))
	}
	ds := a.disturbed()
	within := make([]int, len(ds))
	var stray record.Time
	strays := 0
	a.all.gaps(a.run.from, a.run.to, floor, func(from, to record.Time) {
		explained := false
		for i, d := range ds {
			if from < d.to.Add(a.resolution) && to > d.from {
				explained = true
				within[i]++
			}
		}
		if !explained {
			if strays == 0 {
				stray = from
			}
			strays++
		}
	})
	if strays > 0 {
		limit("C", "%d outages that no fault explains, the first at %s", strays, human(stray.Sub(a.run.from).Seconds(), "s"))
	}
	for i, n := range within {
		if n > 1 {
			limit("C", "flapping: the service went down %d times after the step at %s", n, human(ds[i].from.Sub(a.run.from).Seconds(), "s"))
			return
		}
	}
}
