package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// count adds one run to the totals.
func (c *Scorecard) count(r *record.Result) {
	_, word, _ := outcome(r)
	c.Verdicts[word]++
	if c.Began.IsZero() || r.WallStart.Before(c.Began) {
		c.Began = r.WallStart
	}
	if r.WallStart.After(c.Ended) {
		c.Ended = r.WallStart
	}
	switch {
	case c.Profile == "":
		c.Profile = r.Scenario.Profile
	case c.Profile != r.Scenario.Profile:
		c.Profile = "mixed"
	}
	n := &c.Noise
	n.WorstGap, n.MaxLag, n.CPUSteal = max(n.WorstGap, r.Instrument.WorstGap), max(n.MaxLag, r.Instrument.MaxLag), max(n.CPUSteal, r.Instrument.CPUSteal)
	if v := r.Instrument.Calibration; v != nil && (n.Calibration == nil || *v > *n.Calibration) {
		n.Calibration = v
	}
	if !r.Instrument.Quiet {
		n.Unquiet++
	}
	if r.Instrument.Saturated {
		n.Saturated++
	}
	for _, k := range sortedKeys(r.Versions) {
		if v := (VersionsEntry{k, r.Versions[k]}); !slices.Contains(c.Versions, v) {
			c.Versions = append(c.Versions, v)
		}
	}
	if isTwin(r) {
		return // what a known-bad twin loses is no loss of the system's
	}
	if l := r.Ledger; l != nil && l.Definitive {
		c.Losses.Acknowledged += l.Acknowledged
		c.Losses.Lost += l.Lost
		c.Losses.Runs++
		if l.Lost > 0 {
			c.Losses.LossRuns++
		}
	}
	c.rto(r)
}

func (c *Scorecard) rto(r *record.Result) {
	j, in := judgement(r, "rto"), worstIncident(r)
	if j == nil || in == nil {
		return
	}
	w := WorstRTO{r.Scenario.Name, r.Run, *in.RTO, j.Objective.Target, in.Censored}
	harm := func(w *WorstRTO) float64 {
		if w.Censored {
			return math.Inf(1)
		}
		if w.Target <= 0 {
			return w.Value
		}
		return w.Value / w.Target
	}
	if c.WorstRTO == nil || harm(&w) > harm(c.WorstRTO) {
		c.WorstRTO = &w
	}
}

// bound is the rule of "0 lost in n runs": the largest loss probability a run
// that is still plausible at 95 %.
func (l *Losses) bound() {
	l.UpperBound = 1
	if l.Runs > 0 && l.LossRuns == 0 {
		l.UpperBound = measure.LossUpperBound(l.Runs)
	}
}

// sum derives a scenario's card from its runs.
func (s *ScenarioCard) sum() {
	s.Reason = "did not run"
	caught := true
	for i, r := range s.results {
		run := RunCard{Run: r.Run, Folder: s.dirs[i], Repeat: r.Repeat, Seed: r.Seed, Verdict: r.Verdict, Reason: r.Reason, Score: r.Score, Command: r.Command}
		if in := worstIncident(r); in != nil {
			run.RTO, run.Censored = in.RTO, in.Censored
		}
		s.Runs = append(s.Runs, run)
		if i == 0 || r.Verdict > s.Verdict {
			s.Verdict, s.Reason = r.Verdict, r.Reason
		}
		caught = caught && fine(r)
		s.Config = configOf(r)
		for _, j := range r.Judgements {
			s.objective(j)
		}
	}
	s.Ran = len(s.results) > 0
	if s.TwinOf != "" && s.Ran {
		s.Caught = &caught
	}
	for i := range s.Objectives {
		o := &s.Objectives[i]
		if len(o.Values) > 0 {
			m := median(o.Values)
			o.Median = &m
		}
	}
}

func (s *ScenarioCard) objective(j record.Judgement) {
	i := slices.IndexFunc(s.Objectives, func(o ObjectiveCard) bool { return o.Name == j.Objective.Name })
	if i < 0 {
		i = len(s.Objectives)
		s.Objectives = append(s.Objectives, ObjectiveCard{Name: j.Objective.Name, Unit: j.Objective.Unit, Higher: j.Objective.Higher,
			Target: j.Objective.Target, Limit: j.Objective.Limit, Values: []float64{}})
	}
	o := &s.Objectives[i]
	o.Verdict = record.Worst(o.Verdict, j.Verdict)
	if j.Value == nil {
		return
	}
	v := *j.Value
	o.Values = append(o.Values, v)
	worse := o.Worst == nil || (o.Higher && v < *o.Worst) || (!o.Higher && v > *o.Worst)
	if (j.Censored && !o.Censored) || (worse && j.Censored == o.Censored) {
		o.Worst, o.Censored = &v, j.Censored
	}
}

// median is for printing; what is judged is judged in measure.
func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// overall is the suite's verdict: a safe scenario counts with its own, a twin
// is a pass when caught and a fail when missed; what did not run is
// inconclusive.
func overall(cards []ScenarioCard) record.Verdict {
	v := record.VerdictUnset
	for i := range cards {
		v = record.Worst(v, cards[i].meaning())
	}
	if v == record.VerdictUnset {
		return record.Vacuous
	}
	return v
}

// meaning is what a card's verdict says about the suite.
func (s *ScenarioCard) meaning() record.Verdict {
	switch {
	case !s.Ran, s.Verdict == record.VerdictUnset:
		return record.Inconclusive
	case s.TwinOf == "":
		return s.Verdict
	case *s.Caught:
		return record.Pass
	case s.Verdict == record.Pass:
		return record.Failed
	}
	return s.Verdict
}

// headline is the objective a cell prints: the worst verdict, then rto, then
// loss, then the order of declaration.
func (s *ScenarioCard) headline() *ObjectiveCard {
	if len(s.Objectives) == 0 {
		return nil
	}
	rank := func(o ObjectiveCard) int {
		switch o.Name {
		case "rto":
			if s.Fault == NoFault { // without a fault there is nothing to recover from
				return 3
			}
			return 0
		case "lost", "rpo.ops":
			return 1
		}
		return 2
	}
	best := slices.MinFunc(s.Objectives, func(a, b ObjectiveCard) int {
		return cmp.Or(cmp.Compare(b.Verdict, a.Verdict), cmp.Compare(rank(a), rank(b)))
	})
	return &best
}

// Text prints the worst value over the repetitions.
func (o ObjectiveCard) Text() string {
	return Measured(record.Judgement{Objective: o.plain(), Value: o.Worst, Censored: o.Censored})
}

// MedianText prints the median over the repetitions.
func (o ObjectiveCard) MedianText() string {
	return Measured(record.Judgement{Objective: o.plain(), Value: o.Median})
}

// LimitText prints the limit with its direction.
func (o ObjectiveCard) LimitText() string { return Limit(o.plain()) }

// TargetText prints the target with its direction.
func (o ObjectiveCard) TargetText() string { return Target(o.plain()) }

func (o ObjectiveCard) plain() record.Objective {
	return record.Objective{Name: o.Name, Unit: o.Unit, Higher: o.Higher, Target: o.Target, Limit: o.Limit}
}

// rows gathers the cards by row and gives each its place on the page.
func (c *Scorecard) rows(cards []ScenarioCard) {
	taken := map[string]int{}
	for i := range cards {
		card := cards[i]
		id := "drill-" + cmp.Or(slug(card.Name), "scenario")
		taken[id]++
		if n := taken[id]; n > 1 {
			id = fmt.Sprintf("%s-%d", id, n)
		}
		card.id = id
		if n := len(c.Rows); n == 0 || c.Rows[n-1].Name != card.row {
			c.Rows = append(c.Rows, Row{Name: card.row})
		}
		r := &c.Rows[len(c.Rows)-1]
		r.Scenarios = append(r.Scenarios, card)
	}
}

// slug makes a name fit for an anchor or a file name.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			if s := b.String(); s != "" && !strings.HasSuffix(s, "-") {
				b.WriteByte('-')
			}
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}
