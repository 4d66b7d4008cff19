package measure

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hadrill/hadrill/runner/record"
)

// judge gives every objective its verdict, and the run the worst of them.
func (a *analysis) judge() {
	for _, o := range a.log.Header.Scenario.Objectives {
		a.result.Judgements = append(a.result.Judgements, a.judgeOne(o))
	}
	a.result.Verdict, a.result.Reason = a.verdict()
	if s := a.log.Header.Scenario; s.TwinOf != "" || len(s.Expect) > 0 {
		a.result.Caught = caught(a.result)
	}
}

// judgeOne holds one objective against its figure. The order of the
// questions is the order of what can be said at all:
//
//	known? -> fault proven? -> measured? -> within the limit? -> trusted?
func (a *analysis) judgeOne(o record.Objective) record.Judgement {
	j := record.Judgement{Objective: o}
	q, known := a.measure(o.Name)
	if !known {
		j.Verdict, j.Reason = record.HarnessError, fmt.Sprintf("nobody knows how to measure %q", o.Name)
		return j
	}
	j.Samples = q.samples
	if q.ok {
		j.Value, j.Censored = &q.value, q.censored
		j.Quality = quality(o, q.value, q.censored)
	}
	unproven := a.unproven()
	switch {
	case unproven != "" && q.class != consistency:
		j.Verdict, j.Reason = record.Inconclusive, unproven
	case !q.ok:
		j.Verdict, j.Reason = record.Vacuous, q.missing
	case q.most != nil && !o.Higher && *q.most <= o.Limit:
		j.Verdict, j.Reason = record.Vacuous, fmt.Sprintf("%s could not have been more than %s here, whatever happened: a limit of %s is no promise", o.Name, human(*q.most, q.unit), human(o.Limit, q.unit))
	case q.doubt != "" && q.class == durability:
		j.Verdict, j.Reason = record.Inconclusive, q.doubt
	default:
		j.Verdict, j.Reason = a.compare(o, q)
		a.distrust(&j, q, unproven)
	}
	return j
}

// unproven returns why a fault of this run, or its healing, is not proven.
func (a *analysis) unproven() string {
	for _, p := range a.proofs {
		if why := p.problem(a.log.Truncated); why != "" {
			return why
		}
	}
	return ""
}

// compare holds a value against the objective's limit.
func (a *analysis) compare(o record.Objective, q quantity) (record.Verdict, string) {
	value, limit := human(q.value, q.unit), human(o.Limit, q.unit)
	met := q.value <= o.Limit+1e-9
	if o.Higher {
		met = q.value >= o.Limit-1e-9
	}
	side := map[bool]string{false: "at most ", true: "at least "}[o.Higher]
	switch {
	case q.censored && met && !o.Higher:
		return record.Inconclusive, fmt.Sprintf("the run ended %s after the fault, before %s did and within its limit of %s", value, o.Name, limit)
	case q.censored:
		return record.Failed, fmt.Sprintf("%s is more than %s and never ended within the run, limit %s", o.Name, value, limit)
	case !met:
		return record.Failed, fmt.Sprintf("%s is %s, limit %s%s", o.Name, value, side, limit)
	}
	return record.Pass, fmt.Sprintf("%s is %s, limit %s%s", o.Name, value, side, limit)
}

// distrust takes back a verdict that the run cannot carry. A pass is taken
// back by any doubt. A failed timing is taken back by noise, unless it misses
// its limit by more than the noise can explain; a generator out of its own
// resources takes back every timing.
func (a *analysis) distrust(j *record.Judgement, q quantity, unproven string) {
	inconclusive := func(why string) { j.Verdict, j.Reason = record.Inconclusive, why }
	if q.class == timing {
		excess := q.value - j.Objective.Limit
		if j.Objective.Higher {
			excess = -excess
		}
		why, noisy := a.noisy()
		switch {
		case a.invalid != "":
			inconclusive(a.invalid)
			return
		case noisy && j.Verdict == record.Failed && excess > q.tolerance:
			j.Reason += ", by more than the noise explains"
		case noisy && j.Verdict == record.Pass && q.stands:
			j.Reason += ", in spite of noise"
		case noisy && j.Verdict != record.Vacuous:
			inconclusive(why)
			return
		}
	}
	if j.Verdict != record.Pass {
		return
	}
	switch {
	case unproven != "":
		inconclusive(unproven)
	case q.doubt != "":
		inconclusive(q.doubt)
	case a.invalid != "":
		inconclusive(a.invalid)
	case a.gap() != "" && q.class != consistency:
		inconclusive(a.gap())
	case a.log.Truncated:
		inconclusive("the log is cut short: the run ended before it was judged")
	case q.floor && q.value > 0 && j.Objective.Limit < a.resolution.Seconds():
		inconclusive(fmt.Sprintf("the limit of %s is below the resolution of %s, so nothing can be claimed",
			human(j.Objective.Limit, q.unit), human(a.resolution.Seconds(), "s")))
	}
}

// gap returns that a target ran without its fault for a while: what was then
// measured is milder than what was declared.
func (a *analysis) gap() string {
	for _, p := range a.proofs {
		if p.gap != "" {
			return p.gap
		}
	}
	return ""
}

// verdict returns the run's verdict with its reason: that of the first
// objective that has the worst verdict.
func (a *analysis) verdict() (record.Verdict, string) {
	for i := range a.log.Events {
		if e := &a.log.Events[i]; e.Kind == record.EventError {
			return record.HarnessError, fmt.Sprintf("the toolkit failed at %s: %s", e.Name, e.Text)
		}
	}
	for i := range a.log.Events {
		if e := &a.log.Events[i]; e.Kind == record.EventNote && e.Name == record.NoteInterrupted {
			return record.Inconclusive, "the run was interrupted (" + e.Text + "), healed and cleaned up: what it had seen until then proves nothing"
		}
	}
	js := a.result.Judgements
	if len(js) == 0 {
		return record.Vacuous, "the scenario promises nothing, so nothing was judged"
	}
	worst := record.VerdictUnset
	for _, j := range js {
		worst = record.Worst(worst, j.Verdict)
	}
	if a.log.Truncated && worst < record.Inconclusive {
		return record.Inconclusive, "the log is cut short: the run ended before it was judged"
	}
	same := slices.DeleteFunc(slices.Clone(js), func(j record.Judgement) bool { return j.Verdict != worst })
	reason := same[0].Reason
	switch {
	case worst == record.Pass && len(js) == 1:
		return worst, "the one objective held: " + reason
	case worst == record.Pass:
		return worst, fmt.Sprintf("all %d objectives held", len(js))
	case worst == record.Failed && len(same) > 1:
		var others []string
		for _, j := range same[1:] {
			others = append(others, j.Objective.Name)
		}
		reason += "; " + strings.Join(others, ", ") + " failed too"
	}
	return worst, reason
}

// caught says whether a known-bad twin was caught for a declared reason: the
// run failed, and at least one of the objectives that it must fail on did. A
// twin that fails on something else only was not caught.
func caught(r *record.Result) *record.Caught {
	c := &record.Caught{Expected: slices.Clone(r.Scenario.Expect), Failed: []string{}}
	for _, j := range r.Judgements {
		if j.Verdict == record.Failed {
			c.Failed = append(c.Failed, j.Objective.Name)
			c.Caught = c.Caught || slices.Contains(c.Expected, j.Objective.Name)
		}
	}
	c.Caught = c.Caught && r.Verdict == record.Failed
	return c
}

// human writes a value with its unit for a sentence: three significant
// digits for times, all that matter for ratios, whole numbers for counts.
func human(v float64, unit string) string {
	switch unit {
	case "s":
		if v != 0 && v < 1 {
			return strconv.FormatFloat(round3(v*1000), 'f', -1, 64) + " ms"
		}
		return strconv.FormatFloat(round3(v), 'f', -1, 64) + " s"
	case "ratio":
		// Rounded down: what is not quite everything must not read as 100 %.
		percent := strconv.FormatFloat(math.Floor(v*1e5+1e-6)/1e3, 'f', 3, 64)
		return strings.TrimSuffix(strings.TrimRight(percent, "0"), ".") + " %"
	case "":
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64) + " " + unit
}
