package reports

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// Gate is the comparison with a baseline.
type Gate struct {
	Verdict     string           `json:"verdict"` // GatePass, GateRegression or GateIncomparable
	Reason      string           `json:"reason"`
	Sentence    string           `json:"sentence"`     // what changed, in one sentence
	Compared    int              `json:"compared"`     // objectives with enough runs on both sides
	FalseAlarms *float64         `json:"false_alarms"` // how often the gate alone cries wolf on the baseline's runs; null when they are too few
	Changes     []ObjectiveShift `json:"changes"`      // most harmful first
}

// The verdicts of a gate.
const (
	GatePass         = "pass"
	GateRegression   = "regression"
	GateIncomparable = "not compared" // too few runs: only the absolute targets gate
)

// ObjectiveShift is one change with the runs behind it.
type ObjectiveShift struct {
	measure.Change
	Higher   bool       `json:"higher,omitempty"`
	Limit    float64    `json:"limit"`
	Was      []float64  `json:"was"`          // values of the baseline's runs, sorted
	Is       []float64  `json:"is"`           // values of these runs, sorted
	WasRange [2]float64 `json:"was_interval"` // of the median, 95 % where the runs allow it
	IsRange  [2]float64 `json:"is_interval"`
}

// splits is how many A/A splits tell the gate's false alarm rate.
const splits = 200

// Compare derives the gate from the runs of a baseline and of now.
func Compare(baseline, now []*record.Result) *Gate {
	g := &Gate{Changes: []ObjectiveShift{}}
	was, is := valuesOf(baseline), valuesOf(now)
	var worse, better []measure.Change
	for _, ch := range measure.Compare(baseline, now) {
		if ch.Compared {
			g.Compared++
		}
		key := [2]string{ch.Scenario, ch.Objective}
		s := ObjectiveShift{Change: ch, Was: sorted(was[key].values), Is: sorted(is[key].values)}
		o := cmp.Or(is[key].objective, was[key].objective)
		s.Higher, s.Limit = o.Higher, o.Limit
		s.WasRange, s.IsRange = medianInterval(s.Was), medianInterval(s.Is)
		g.Changes = append(g.Changes, s)
	}
	slices.SortStableFunc(g.Changes, func(a, b ObjectiveShift) int { return -cmp.Compare(a.harm(), b.harm()) })
	for _, s := range g.Changes {
		switch {
		case s.Regression:
			worse = append(worse, s.Change)
		case s.Better():
			better = append(better, s.Change)
		}
	}
	if rate, ok := measure.FalseAlarms(baseline, splits, bootSeed); ok {
		g.FalseAlarms = &rate
	}
	g.say(worse, better)
	return g
}

func (g *Gate) say(worse, better []measure.Change) {
	switch {
	case g.Compared == 0:
		g.Verdict = GateIncomparable
		g.Reason = fmt.Sprintf("fewer than %d runs on a side", measure.FewestCompared)
		g.Sentence = fmt.Sprintf("Not compared with the baseline: at least %d runs are needed on both sides; only the absolute targets gate.", measure.FewestCompared)
		return
	case len(worse) > 0:
		g.Verdict = GateRegression
		g.Reason = fmt.Sprintf("%s of %d compared", plural(len(worse), "objective got worse", "objectives got worse"), g.Compared)
		w := worse[0]
		g.Sentence = fmt.Sprintf("Since the baseline, %s of %s got worse: %s.", w.Objective, w.Scenario, w.Reason)
		if len(worse) > 1 {
			g.Sentence = fmt.Sprintf("Since the baseline, %d objectives got worse, first %s of %s: %s.", len(worse), w.Objective, w.Scenario, w.Reason)
		}
	case len(better) > 0:
		g.Verdict, g.Reason = GatePass, fmt.Sprintf("%d compared, none worse", g.Compared)
		g.Sentence = fmt.Sprintf("Since the baseline nothing got worse and %s.", plural(len(better), "objective got better", "objectives got better"))
	default:
		g.Verdict, g.Reason = GatePass, fmt.Sprintf("%d compared, none worse", g.Compared)
		g.Sentence = fmt.Sprintf("Since the baseline nothing changed beyond what nobody should mind (%s compared).", plural(g.Compared, "objective", "objectives"))
	}
	if g.FalseAlarms != nil {
		g.Reason += fmt.Sprintf("; false alarms in %.0f %% of A/A splits", *g.FalseAlarms*100)
	}
}

// Better tells a change that is as large as a regression, the other way.
func (s *ObjectiveShift) Better() bool { return s.Compared && s.Shift < -s.Threshold }

// harm orders changes: regressions first, then by how far the shift goes
// beyond what nobody should mind.
func (s *ObjectiveShift) harm() float64 {
	h := s.Shift / math.Max(s.Threshold, 1e-9)
	if s.Regression {
		return 1e12 + h
	}
	if !s.Compared {
		return math.Min(h, 1e6) - 1e9
	}
	return h
}

func (c *Scorecard) compare(baseline []*record.Result, now []*record.Result) {
	c.Gate = Compare(baseline, now)
}

type objectiveValues struct {
	objective record.Objective
	values    []float64
}

// valuesOf collects what measure compares: values that passed or failed.
func valuesOf(results []*record.Result) map[[2]string]objectiveValues {
	m := map[[2]string]objectiveValues{}
	for _, r := range results {
		for _, j := range r.Judgements {
			if j.Value == nil || j.Verdict != record.Pass && j.Verdict != record.Failed {
				continue
			}
			k := [2]string{r.Scenario.Name, j.Objective.Name}
			v := m[k]
			v.objective, v.values = j.Objective, append(v.values, *j.Value)
			m[k] = v
		}
	}
	return m
}

func sorted(vs []float64) []float64 {
	out := slices.Clone(vs)
	slices.Sort(out)
	if out == nil {
		out = []float64{}
	}
	return out
}

// medianInterval is the distribution-free interval of the median: the k-th
// smallest and k-th largest value, k the largest with a coverage of 95 %
// (binomial; e.g. Conover, "Practical Nonparametric Statistics", 3.2). Below
// six values no pair reaches 95 % and the range is given.
func medianInterval(sorted []float64) [2]float64 {
	n := len(sorted)
	if n == 0 {
		return [2]float64{}
	}
	k, tail, term := 0, 0.0, math.Pow(.5, float64(n))
	for i := range n / 2 { // tail = P(fewer than i+1 of n lie below the median)
		tail += term
		if 2*tail > .05 {
			break
		}
		k = i
		term *= float64(n-i) / float64(i+1)
	}
	return [2]float64{sorted[k], sorted[n-1-k]}
}

// maxShifts bounds the dumbbells on a page.
const maxShifts = 24

func (p *suitePage) changes() {
	g := p.Card.Gate
	if g == nil {
		return
	}
	var rows []draw.Dumbbell
	for _, s := range g.Changes[:min(maxShifts, len(g.Changes))] {
		if len(s.Was) == 0 || len(s.Is) == 0 {
			continue
		}
		rows = append(rows, draw.Dumbbell{Name: s.Scenario, Objective: s.Objective, Was: median(s.Was), Is: median(s.Is), WasRange: s.WasRange, IsRange: s.IsRange,
			Higher: s.Higher, Worse: s.Regression, Better: s.Better(), Compared: s.Compared,
			WasText: Value(median(s.Was), s.Unit), IsText: Value(median(s.Is), s.Unit), Reason: s.Reason})
	}
	if len(rows) > 0 {
		p.Changes = template.HTML(draw.Dumbbells(rows).Inline())
	}
}
