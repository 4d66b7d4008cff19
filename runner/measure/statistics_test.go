package measure

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// Critical values of U at one-sided 0.05, from the tables printed in every
// textbook (after Mann, Whitney 1947; Auble 1953): the largest U whose lower
// tail is at most 0.05.
func TestMannWhitneyAgreesWithThePublishedTable(t *testing.T) {
	for _, c := range []struct{ n, m, critical int }{
		{3, 3, 0}, {4, 4, 1}, {5, 5, 4}, {6, 6, 7}, {7, 7, 11}, {8, 8, 15}, {9, 9, 21}, {10, 10, 27},
		{12, 12, 42}, {15, 15, 72}, {20, 20, 138}, {4, 6, 3}, {5, 8, 8}, {6, 10, 14},
	} {
		t.Run(fmt.Sprintf("%d,%d", c.n, c.m), func(t *testing.T) {
			// The distribution is symmetric: P(U <= c) = P(U >= nm-c).
			assert.LessOrEqual(t, exactTail(c.n, c.m, c.n*c.m-c.critical), 0.05)
			assert.Greater(t, exactTail(c.n, c.m, c.n*c.m-c.critical-1), 0.05)
		})
	}
}

func TestMannWhitneyCountsAllArrangements(t *testing.T) {
	// 6 against 6, complete separation: one arrangement of C(12,6) = 924.
	u, p := MannWhitney([]float64{1, 2, 3, 4, 5, 6}, []float64{7, 8, 9, 10, 11, 12})
	assert.Equal(t, 36.0, u)
	assert.InDelta(t, 1.0/924, p, 1e-15)
	_, p = MannWhitney([]float64{7, 8, 9, 10, 11, 12}, []float64{1, 2, 3, 4, 5, 6})
	assert.InDelta(t, 1, p, 1e-12)
	_, p = MannWhitney(nil, []float64{1})
	assert.Equal(t, 1.0, p)
	_, p = MannWhitney([]float64{1, 1, 1}, []float64{1, 1, 1})
	assert.Equal(t, 1.0, p, "nothing but ties is no evidence")
}

func TestTheNormalApproximationMeetsTheExactDistribution(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		x, y := make([]float64, 25), make([]float64, 25)
		for i := range x {
			x[i], y[i] = random.NormFloat64(), random.NormFloat64()+0.4
		}
		u, exact := MannWhitney(x, y)
		assert.InDelta(t, exact, normalTail(x, y, u), 0.003)
	}
}

func TestTiesAreCorrectedFor(t *testing.T) {
	// By hand: U = 19.5 of 25; ties of 2, 3 and 2: variance 25/12*(11-36/90).
	x, y := []float64{1, 2, 2, 3, 4}, []float64{2, 4, 5, 6, 7}
	u, p := MannWhitney(x, y)
	require.Equal(t, 0.5+0.5+1+ // 2 against 1, 2, 2
		4+0.5+ // 4 against 1, 2, 2, 3, 4
		15, u)
	sd := math.Sqrt(25.0 / 12 * (11 - (24.0+6)/90))
	assert.InDelta(t, 0.5*math.Erfc((u-12.5-0.5)/sd/math.Sqrt2), p, 1e-12)
}

func TestHolmAgreesWithAWorkedExample(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		assert.InDelta(t, want, got[i], 1e-12)
	}
	assert.Empty(t, Holm(nil))
	assert.Equal(t, []float64{1, 1}, Holm([]float64{0.7, 0.9}))
}

func TestHodgesLehmannIsTheShift(t *testing.T) {
	assert.Equal(t, 3.0, HodgesLehmann([]float64{1, 2, 9}, []float64{4, 5, 12}))
	assert.Equal(t, 1.0, HodgesLehmann([]float64{1, 2}, []float64{2, 3}), "median of 1, 0, 2, 1")
	assert.True(t, math.IsNaN(HodgesLehmann(nil, []float64{1})))
}

func TestLossUpperBoundIsThatOfTheTable(t *testing.T) {
	for n, want := range map[int]float64{5: 0.45, 10: 0.26, 30: 0.095, 59: 0.05} {
		assert.InDelta(t, want, LossUpperBound(n), 0.005, "n=%d", n)
	}
	assert.Equal(t, 1.0, LossUpperBound(0))
}

// The bound must lie below the true mean in about 95 % of all experiments.
func TestTheBootstrapBoundCovers(t *testing.T) {
	for _, c := range []struct {
		name    string
		n       int
		atLeast float64
		draw    func(*rand.Rand) (score, mean float64)
	}{
		{"normal", 30, 0.92, func(r *rand.Rand) (float64, float64) { return 85 + 4*r.NormFloat64(), 85 }},
		{"normal, fewest", FewestBootstrap, 0.88, func(r *rand.Rand) (float64, float64) { return 85 + 4*r.NormFloat64(), 85 }},
		{"skewed to the low side", 30, 0.90, func(r *rand.Rand) (float64, float64) { return 100 - 5*r.ExpFloat64(), 95 }},
		{"worst run of a few", 5, 0.95, func(r *rand.Rand) (float64, float64) { return 85 + 4*r.NormFloat64(), 85 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(7, uint64(c.n)))
			covered, trials := 0, 200
			for k := range trials {
				scores, truth := make([]float64, c.n), 0.0
				for i := range scores {
					scores[i], truth = c.draw(random)
				}
				if LowerBound(scores, uint64(k)) <= truth {
					covered++
				}
			}
			rate := float64(covered) / float64(trials)
			t.Logf("n=%d: the bound covered the mean in %.1f %% of %d experiments", c.n, 100*rate, trials)
			assert.GreaterOrEqual(t, rate, c.atLeast)
		})
	}
}

func TestTheBoundDependsOnTheScoresAlone(t *testing.T) {
	scores := []float64{90, 80, 95, 70, 99, 91, 92, 93, 94, 85, 88}
	reversed := slices.Clone(scores)
	slices.Reverse(reversed)
	assert.Equal(t, LowerBound(scores, 1), LowerBound(scores, 1))
	assert.Equal(t, LowerBound(scores, 1), LowerBound(reversed, 1))
	assert.Less(t, LowerBound(scores, 1), mean(scores))
	assert.Equal(t, 70.0, LowerBound(scores[:5], 1), "the worst of a few")
	assert.True(t, math.IsNaN(LowerBound(nil, 1)))
}

// runsOf makes results of n scenarios with one rto objective whose value is drawn.
func runsOf(scenarios, n int, draw func() float64) []*record.Result {
	var rs []*record.Result
	for s := range scenarios {
		for range n {
			v := draw()
			rs = append(rs, &record.Result{
				Scenario:   record.Scenario{Name: fmt.Sprint("s", s)},
				Instrument: record.Instrument{Resolution: 0.02, WorstGap: 0.01},
				Judgements: []record.Judgement{{Objective: record.Objective{Name: "rto", Unit: "s"}, Value: &v, Verdict: record.Pass}},
			})
		}
	}
	return rs
}

func TestTheGateKeepsItsFalseAlarmRateAndItsPower(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	draw := func(median float64) func() float64 {
		return func() float64 { return median * math.Exp(0.5*random.NormFloat64()) }
	}
	regressed := func(scale float64, trials int) float64 {
		n := 0
		for range trials {
			changes := Compare(runsOf(5, 8, draw(1)), runsOf(5, 8, draw(scale)))
			if slices.ContainsFunc(changes, func(c Change) bool { return c.Regression }) {
				n++
			}
		}
		return float64(n) / float64(trials)
	}
	alarms, power := regressed(1, 400), regressed(3, 100)
	t.Logf("false alarms %.1f %% of 400 comparisons of 5 scenarios, 8 runs a side; power against threefold %.1f %%", 100*alarms, 100*power)
	assert.LessOrEqual(t, alarms, 0.065)
	assert.GreaterOrEqual(t, power, 0.95)
}

func TestTheGateNeedsBothCertaintyAndSize(t *testing.T) {
	series := func(xs ...float64) []*record.Result {
		i := -1
		return runsOf(1, len(xs), func() float64 { i++; return xs[i] })
	}
	base := series(1.00, 1.01, 1.02, 1.03, 1.04, 1.05)
	cases := []struct {
		name       string
		now        []*record.Result
		regression bool
		reason     string
	}{
		{"certain and large", series(1.50, 1.51, 1.52, 1.53, 1.54, 1.55), true, "worse by 500 ms"},
		{"certain but small", series(1.06, 1.07, 1.08, 1.09, 1.10, 1.11), false, "nobody should mind"},
		{"large but uncertain", series(0.90, 0.91, 1.20, 1.21, 1.22, 1.23), false, "chance"},
		{"too few", series(1.50, 1.51, 1.52, 1.53, 1.54), false, "not compared"},
		{"better", series(0.50, 0.51, 0.52, 0.53, 0.54, 0.55), false, "no worse"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			changes := Compare(base, c.now)
			require.Len(t, changes, 1)
			assert.Equal(t, c.regression, changes[0].Regression)
			assert.Contains(t, changes[0].Reason, c.reason)
		})
	}
}

func TestLessAvailabilityIsARegressionAndMoreIsNot(t *testing.T) {
	of := func(v float64) []*record.Result {
		var rs []*record.Result
		for i := range 8 {
			x := v - float64(i)*1e-5
			rs = append(rs, &record.Result{Scenario: record.Scenario{Name: "s", Duration: 10e9},
				Judgements: []record.Judgement{{Objective: record.Objective{Name: "availability.requests", Unit: "ratio", Higher: true}, Value: &x, Verdict: record.Pass}}})
		}
		return rs
	}
	assert.True(t, Compare(of(0.999), of(0.95))[0].Regression)
	assert.False(t, Compare(of(0.95), of(0.999))[0].Regression)
}

func TestAnAgainstAPrintsTheGatesOwnFalseAlarmRate(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	runs := runsOf(3, 20, func() float64 { return math.Exp(0.5 * random.NormFloat64()) })
	rate, compared := FalseAlarms(runs, 100, 9)
	again, _ := FalseAlarms(runs, 100, 9)
	assert.True(t, compared)
	assert.LessOrEqual(t, rate, 0.08)
	assert.Equal(t, rate, again)
	_, compared = FalseAlarms(runs[:8], 10, 9)
	assert.False(t, compared, "eight runs cannot be split into six and six")
}
