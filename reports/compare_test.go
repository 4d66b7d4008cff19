package reports_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
	"github.com/hadrill/hadrill/runner/record"
)

// runsOf repeats a shape with an outage that varies a little around a base.
func runsOf(shape sample.Shape, n int, outage float64) []*record.Result {
	var out []*record.Result
	shape.Rate, shape.Seconds = 50, 12
	for i := range n {
		shape.Repeat, shape.Seed, shape.Outage = i+1, uint64(i+1), outage+float64(i%4)*.03
		out = append(out, result(shape))
	}
	return out
}

func TestTheGateSaysWhatChanged(t *testing.T) {
	base := runsOf(sample.Failover, 10, 1.2)
	for _, c := range []struct {
		name     string
		now      []*record.Result
		verdict  string
		sentence string
	}{
		{"the same", runsOf(sample.Failover, 10, 1.2), reports.GatePass, "nothing changed"},
		{"slower recovery", runsOf(sample.Failover, 10, 2.2), reports.GateRegression, "2 objectives got worse"},
		{"faster recovery", runsOf(sample.Failover, 10, .6), reports.GatePass, "got better"},
		{"too few runs", runsOf(sample.Failover, 5, 2.2), reports.GateIncomparable, "only the absolute targets gate"},
		{"another scenario", runsOf(sample.Null, 10, 0), reports.GateIncomparable, "only the absolute targets gate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := reports.Compare(base, c.now)
			assert.Equal(t, c.verdict, g.Verdict)
			assert.Contains(t, g.Sentence, c.sentence)
		})
	}
}

func TestRegressionsComeFirstAndTheGateTellsItsFalseAlarms(t *testing.T) {
	base := runsOf(sample.Failover, 14, 1.2)
	g := reports.Compare(base, runsOf(sample.Failover, 14, 2.2))
	require.NotEmpty(t, g.Changes)
	assert.True(t, g.Changes[0].Regression)
	require.NotNil(t, g.FalseAlarms)
	assert.LessOrEqual(t, *g.FalseAlarms, .1)
	// n=14: the third smallest and third largest cover 98.7 %, the next pair 94.3 %.
	assert.Equal(t, [2]float64{g.Changes[0].Was[2], g.Changes[0].Was[11]}, g.Changes[0].WasRange)
}

func TestChangesAndHistoryAreOnThePage(t *testing.T) {
	s := nightly(t, 12)
	s.Baseline = runsOf(sample.Failover, 12, .4)
	for night := range 9 {
		old := reports.Suite{Results: runsOf(sample.Failover, 1, 1.1+float64(night%3)*.1)}
		for _, r := range old.Results {
			r.WallStart = r.WallStart.Add(-time.Duration(9-night) * 24 * time.Hour)
			if night > 4 {
				r.Versions = map[string]string{"hadrill": "0.2.0"}
			}
		}
		s.History = append(s.History, old.Card())
	}
	require.NoError(t, s.Write())
	page := string(read(t, s.Dir, reports.PageFile))
	for _, want := range []string{`id="changes"`, `id="history"`, "hadrill 0.2.0", "2 objectives got worse", "natural limits"} {
		contains(t, page, want)
	}
}
