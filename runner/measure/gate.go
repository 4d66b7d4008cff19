package measure

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// The regression gate's constants; MEASURES.md, "Regression gate".
const (
	FewestCompared = 6    // runs on both sides, below which only absolute targets gate
	GateAlpha      = 0.05 // chance of any false alarm in one comparison
	leastShift     = 0.10 // of the baseline's median
	resolutions    = 3
)

// Change is one objective of one scenario, compared with the baseline. Values
// are costs: more is worse. Ratios are compared by what they lack to 1, other
// quantities of which more is better by their negative.
type Change struct {
	Scenario   string  `json:"scenario"`
	Objective  string  `json:"objective"`
	Unit       string  `json:"unit"`
	Baseline   int     `json:"baseline_runs"`
	Now        int     `json:"now_runs"`
	Before     float64 `json:"before"`     // median cost of the baseline
	After      float64 `json:"after"`      // median cost now
	Shift      float64 `json:"shift"`      // Hodges-Lehmann; more than 0 is worse
	Threshold  float64 `json:"threshold"`  // a smaller shift is no regression, however certain
	P          float64 `json:"p"`          // one-sided Mann-Whitney
	Adjusted   float64 `json:"p_adjusted"` // Holm, over all that were compared
	Compared   bool    `json:"compared"`   // enough runs on both sides
	Regression bool    `json:"regression"`
	Reason     string  `json:"reason"`
}

// comparison is the values of one objective of one scenario on both sides.
type comparison struct {
	scenario    string
	objective   record.Objective
	floor       float64 // largest of resolution and noise terms, in the cost's unit
	before, now []float64
}

// Compare holds runs against those of a baseline. A regression needs both
// certainty (Mann-Whitney, Holm-adjusted over everything compared, below
// GateAlpha) and size (a Hodges-Lehmann shift beyond max(10 % of the
// baseline's median, 3 x resolution, control noise)). Only runs that passed
// or failed are compared. Changes come in order of scenario and objective.
func Compare(baseline, now []*record.Result) []Change {
	return compare(comparisons(baseline, now))
}

func compare(cells []comparison) []Change {
	changes := make([]Change, 0, len(cells))
	var ps []float64
	for _, c := range cells {
		ch := Change{
			Scenario: c.scenario, Objective: c.objective.Name, Unit: c.objective.Unit,
			Baseline: len(c.before), Now: len(c.now), P: 1, Adjusted: 1,
		}
		if len(c.before) > 0 && len(c.now) > 0 {
			ch.Before, ch.After = median(slices.Clone(c.before)), median(slices.Clone(c.now))
			ch.Shift = HodgesLehmann(c.before, c.now)
			ch.Threshold = max(leastShift*math.Abs(ch.Before), c.floor)
		}
		ch.Compared = len(c.before) >= FewestCompared && len(c.now) >= FewestCompared
		if ch.Compared {
			_, ch.P = MannWhitney(c.before, c.now)
			ps = append(ps, ch.P)
		}
		changes = append(changes, ch)
	}
	adjusted := Holm(ps)
	for i := range changes {
		ch := &changes[i]
		if ch.Compared {
			ch.Adjusted, adjusted = adjusted[0], adjusted[1:]
		}
		ch.decide()
	}
	return changes
}

func (c *Change) decide() {
	certain, large := c.Adjusted < GateAlpha, c.Shift > c.Threshold
	shift, threshold := human(c.Shift, c.Unit), human(c.Threshold, c.Unit)
	switch {
	case !c.Compared:
		c.Reason = fmt.Sprintf("not compared: %d and %d runs, at least %d are needed on both sides", c.Baseline, c.Now, FewestCompared)
	case certain && large:
		c.Regression = true
		c.Reason = fmt.Sprintf("worse by %s, more than %s, p = %.2g", shift, threshold, c.Adjusted)
	case large:
		c.Reason = fmt.Sprintf("worse by %s, but that may be chance: p = %.2g", shift, c.Adjusted)
	case certain:
		c.Reason = fmt.Sprintf("worse by %s, which is no more than the %s that nobody should mind", shift, threshold)
	default:
		c.Reason = "no worse"
	}
}

// comparisons pairs the judged values of both sides.
func comparisons(baseline, now []*record.Result) []comparison {
	var cells []comparison
	index := map[[2]string]int{}
	collect := func(results []*record.Result, into func(*comparison) *[]float64) {
		for _, r := range results {
			for _, j := range r.Judgements {
				if j.Value == nil || j.Verdict != record.Pass && j.Verdict != record.Failed {
					continue
				}
				key := [2]string{r.Scenario.Name, j.Objective.Name}
				i, ok := index[key]
				if !ok {
					i = len(cells)
					index[key] = i
					cells = append(cells, comparison{scenario: key[0], objective: j.Objective})
				}
				values := into(&cells[i])
				*values = append(*values, costOf(j.Objective, *j.Value))
				cells[i].floor = max(cells[i].floor, floorOf(r, j.Objective))
			}
		}
	}
	collect(baseline, func(c *comparison) *[]float64 { return &c.before })
	collect(now, func(c *comparison) *[]float64 { return &c.now })
	slices.SortFunc(cells, func(a, b comparison) int {
		return cmp.Or(cmp.Compare(a.scenario, b.scenario), cmp.Compare(a.objective.Name, b.objective.Name))
	})
	return cells
}

// costOf turns a value into one of which more is worse.
func costOf(o record.Objective, v float64) float64 {
	switch {
	case o.Higher && o.Unit == "ratio":
		return 1 - v
	case o.Higher:
		return -v
	}
	return v
}

// floorOf returns the shift below which a run can claim nothing: three
// resolutions or the control lane's worst gap, in seconds for times and as a
// share of the run for ratios. Counts have no such floor.
func floorOf(r *record.Result, o record.Objective) float64 {
	floor := max(resolutions*r.Instrument.Resolution, r.Instrument.WorstGap)
	switch o.Unit {
	case "s":
		return floor
	case "ratio":
		if d := r.Scenario.Duration.Seconds(); d > 0 {
			return min(1, floor/d)
		}
	}
	return 0
}

// FalseAlarms returns how often the gate alone cries wolf: the share of
// splits of one and the same set of runs into two halves, at random, in which
// it finds a regression. compared is false when there are too few runs of any
// scenario to split. The same results and seed give the same rate.
func FalseAlarms(results []*record.Result, splits int, seed uint64) (rate float64, compared bool) {
	byName := map[string][]*record.Result{}
	var names []string
	for _, r := range results {
		if byName[r.Scenario.Name] == nil {
			names = append(names, r.Scenario.Name)
		}
		byName[r.Scenario.Name] = append(byName[r.Scenario.Name], r)
	}
	slices.Sort(names)
	random := rand.New(rand.NewPCG(seed, uint64(len(results))))
	alarms := 0
	for range splits {
		var a, b []*record.Result
		for _, name := range names {
			runs := byName[name]
			half := len(runs) / 2
			for i, k := range random.Perm(len(runs)) {
				if i < half {
					a = append(a, runs[k])
				} else {
					b = append(b, runs[k])
				}
			}
		}
		changes := Compare(a, b)
		compared = compared || slices.ContainsFunc(changes, func(c Change) bool { return c.Compared })
		if slices.ContainsFunc(changes, func(c Change) bool { return c.Regression }) {
			alarms++
		}
	}
	return ratio(alarms, splits), compared
}
