package measure

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

func graded(name string, score float64, caps ...record.Cap) *record.Result {
	return &record.Result{Scenario: record.Scenario{Name: name, Row: "row", Critical: 1}, Verdict: record.Pass, Score: &score, Caps: caps}
}

func repeated(n int, name string, score float64) []*record.Result {
	var rs []*record.Result
	for i := range n {
		r := graded(name, score)
		r.Repeat = i + 1
		rs = append(rs, r)
	}
	return rs
}

func TestLetters(t *testing.T) {
	for score, letter := range map[float64]string{100: "A", 90: "A", 89.9: "B", 80: "B", 79: "C", 70: "C", 69: "D", 60: "D", 59.9: "F", 0: "F"} {
		assert.Equal(t, letter, Letter(score), "%v", score)
	}
}

func TestCapsOfRepetitions(t *testing.T) {
	ungraded := &record.Result{Scenario: record.Scenario{Name: "s"}, Verdict: record.Inconclusive, Caps: []record.Cap{{Letter: "U", Reason: "noisy"}}}
	failed := graded("s", 90, record.Cap{Letter: "F", Reason: "1 acknowledged write was lost"})
	failed.Verdict = record.Failed
	cases := []struct {
		name        string
		runs        []*record.Result
		letter      string
		provisional bool
	}{
		{"ten good runs", repeated(10, "s", 99), "A", false},
		{"five good runs", repeated(5, "s", 99), "A", false},
		{"four good runs are provisional", repeated(4, "s", 99), "B", true},
		{"one run is provisional", repeated(1, "s", 99), "B", true},
		{"one lost write among thirty runs", append(repeated(30, "s", 99), failed), "F", false},
		{"the worst of a few counts", append(repeated(8, "s", 99), graded("s", 65)), "D", false},
		{"a noisy run leaves no letter", append(repeated(9, "s", 99), ungraded), "U", false},
		{"noise does not take a failure away", append(repeated(9, "s", 99), ungraded, failed), "F", false},
		{"nothing was judged", []*record.Result{ungraded}, "U", false},
		{"nothing ran", nil, "U", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := GradeScenario(c.runs, 1)
			assert.Equal(t, c.letter, g.Letter)
			assert.Equal(t, c.provisional, g.Provisional)
			if c.letter != "A" {
				assert.True(t, len(g.Caps) > 0 || len(c.runs) == 0 || Letter(*g.Bound) == c.letter, "a lowered letter shows its evidence")
			}
		})
	}
}

func TestZeroLostInNRunsComesWithItsBound(t *testing.T) {
	runs := repeated(10, "s", 99)
	for _, r := range runs {
		r.Ledger = &record.Ledger{Acknowledged: 100, Definitive: true}
	}
	g := GradeScenario(runs, 1)
	require.NotNil(t, g.LossBound)
	assert.InDelta(t, 0.259, *g.LossBound, 0.001)
	runs[3].Ledger.Definitive = false
	assert.InDelta(t, LossUpperBound(9), *GradeScenario(runs, 1).LossBound, 1e-12, "a run without a definitive read has shown nothing")
	runs[4].Ledger.Lost = 1
	assert.Nil(t, GradeScenario(runs, 1).LossBound)
}

func TestASuiteIsWeightedByCriticalityWithCoverageBeside(t *testing.T) {
	heavy := repeated(10, "row/heavy", 100)
	for _, r := range heavy {
		r.Scenario.Critical = 3
	}
	twin := graded("row/heavy-twin", 10)
	twin.Scenario.TwinOf, twin.Verdict, twin.Caught = "row/heavy", record.Failed, &record.Caught{Caught: true}
	results := append(append(heavy, repeated(10, "row/light", 60)...), twin)
	s := NewSuite([]string{"row/heavy", "row/heavy-twin", "row/light", "row/never-ran"}, results, 1)

	assert.Equal(t, Coverage{Measured: 3, Declared: 4}, s.Coverage)
	assert.Equal(t, 0.75, s.Coverage.Ratio())
	require.Len(t, s.Rows, 1)
	assert.InDelta(t, 90, *s.Score, 1e-9, "(3 x 100 + 60) / 4; the twin's score is not in it")
	assert.Equal(t, "A", s.Letter)
	assert.True(t, s.Rows[0].Verified)
	assert.Equal(t, []Twin{{Name: "row/heavy-twin", Row: "row", TwinOf: "row/heavy", Runs: 1, Caught: 1}}, s.Twins)

	twin.Caught.Caught = false
	assert.False(t, NewSuite(nil, results, 1).Rows[0].Verified, "a row whose twin got away is not verified")
}

func TestAMeanDoesNotBuryALostWrite(t *testing.T) {
	lost := graded("row/b", 0, record.Cap{Letter: "F", Reason: "1 acknowledged write was lost"})
	s := NewSuite(nil, append(repeated(99, "row/a", 100), lost), 1)
	assert.Equal(t, "F", s.Letter)
}

func TestTheOrderOfResultsDoesNotMatter(t *testing.T) {
	rs := append(repeated(3, "row/a", 90), repeated(3, "row/b", 70)...)
	want := NewSuite(nil, rs, 1)
	for i, j := 0, len(rs)-1; i < j; i, j = i+1, j-1 {
		rs[i], rs[j] = rs[j], rs[i]
	}
	assert.Equal(t, want, NewSuite(nil, rs, 1))
}

func TestNothingRanIsUngraded(t *testing.T) {
	s := NewSuite([]string{"a/b"}, nil, 1)
	assert.Equal(t, Ungraded, s.Letter)
	assert.Nil(t, s.Score)
	assert.Equal(t, Coverage{Declared: 1}, s.Coverage)
}
