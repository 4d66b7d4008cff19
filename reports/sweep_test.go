package reports_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
	"github.com/hadrill/hadrill/runner/record"
)

// priced is a knob of which every second costs a second, over 0.2 s that no
// setting removes: three places with three runs each.
func priced() reports.Sweep {
	s := reports.Sweep{Scenario: "cache/redis-sentinel/primary-kill", Setting: "down-after", Unit: "s", Doc: "what it costs", Command: "hadrill sweep it"}
	for _, at := range []struct {
		label string
		value float64
	}{{"500ms", .5}, {"1s", 1}, {"2s", 2}} {
		p := reports.SweepPoint{Label: at.label, Value: at.value}
		for i := range 3 {
			shape := sample.Failover
			shape.Rate, shape.Seconds, shape.Repeat, shape.Seed = 50, 12, i+1, uint64(i+1)
			r := result(shape)
			r.Verdict, r.Instrument.Quiet = record.Pass, true
			r.Figures = []record.Figure{{Name: "rto", Unit: "s", Value: at.value + .2}, {Name: "lost", Unit: "ops"}, {Name: "rto", Lane: "other", Unit: "s", Value: 99}}
			p.Results = append(p.Results, r)
		}
		s.Points = append(s.Points, p)
	}
	return s
}

func TestASweepSaysWhatASecondOfTheSettingCosts(t *testing.T) {
	c := priced().Card("")
	require.NotNil(t, c.Price)
	assert.InDelta(t, 1, c.Price.PerSecond, 1e-9)
	assert.InDelta(t, .2, c.Price.Fixed, 1e-9)
	assert.Equal(t, 9, c.Price.Runs)
	assert.Contains(t, c.Sentence(), "Each second of down-after costs 1 s of recovery; 200 ms is there at any setting.")
	assert.Contains(t, c.Sentence(), "From 500ms to 2s: time to recover 700 ms → 2.2 s, acknowledged writes lost 0 → 0.")
	assert.Equal(t, []string{"down-after", "rto", "lost", "runs", "promises"}, c.Cells()[0])
	assert.Equal(t, []string{"500ms", "700 ms", "0", "3 of 3", "3 of 3 kept"}, c.Cells()[1])
}

func TestWhatWasNotMeasuredWellDoesNotCount(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*record.Result)
		why   string
	}{
		{"an inconclusive run", func(r *record.Result) { r.Verdict, r.Reason = record.Inconclusive, "noise" }, "inconclusive: noise"},
		{"a noisy machine", func(r *record.Result) { r.Instrument.Quiet = false }, "the control lane was not quiet"},
		{"a late generator", func(r *record.Result) { r.Instrument.Saturated = true }, "the load generator was saturated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := priced()
			c.spoil(s.Points[0].Results[1])
			card := s.Card("")
			assert.Equal(t, 2, card.Points[0].Counted)
			assert.Equal(t, c.why, card.Points[0].Runs[1].LeftOut)
			assert.Equal(t, "2 of 3", card.Cells()[1][3])
		})
	}
	s := priced()
	s.Points[0].Results[1].Verdict = record.Failed
	card := s.Card("")
	assert.Equal(t, 3, card.Points[0].Counted, "a broken promise may be the price")
	assert.Equal(t, 2, card.Points[0].Passed)
}

func TestAPlaceWhereRunsDidNotRecoverHasNoPartInThePriceAndIsNamed(t *testing.T) {
	s := priced()
	four := s.Points[2]
	four.Label, four.Value = "4s", 4
	s.Points = append(s.Points, four)
	for _, r := range s.Points[0].Results[:2] {
		r.Incidents[0].Censored = true
	}
	for i := range four.Results {
		four.Results[i].Figures = []record.Figure{{Name: "rto", Unit: "s", Value: 2.2}}
	}
	card := s.Card("")
	assert.Equal(t, "> 700 ms", card.Cells()[1][1])
	assert.Contains(t, card.Sentence(), "At 500ms 2 of 3 runs had not recovered when the load ended.")
	require.NotNil(t, card.Price)
	assert.Equal(t, 9, card.Price.Runs)

	s.Points = s.Points[:3]
	assert.Nil(t, s.Card("").Price, "two places make no line")
}

func TestASweepOfNothingSaysSo(t *testing.T) {
	s := priced()
	for i := range s.Points {
		s.Points[i].Results, s.Points[i].Broken = nil, []string{"no engine <b>"}
	}
	card := s.Card("")
	assert.Contains(t, card.Sentence(), "Too little was measured")
	page, err := reports.SweepPage([]*reports.SweepCard{card})
	require.NoError(t, err)
	contains(t, string(page), "not measured")
	lacks(t, string(page), "engine <b>")
}

func TestTheFilesOfASweep(t *testing.T) {
	dir := t.TempDir()
	s := priced()
	for i := range s.Points[0].Results {
		s.Points[0].Folders = append(s.Points[0].Folders, filepath.Join(dir, "runs", string(rune('a'+i))))
	}
	require.NoError(t, reports.WriteSweeps(dir, []reports.Sweep{s, s}))
	page, err := os.ReadFile(filepath.Join(dir, reports.PageFile))
	require.NoError(t, err)
	contains(t, string(page), `href="runs/a/index.html"`)
	contains(t, string(page), `id="sweep-2"`)
	contains(t, string(page), "<svg")
	lacks(t, string(page), "<script")
	lacks(t, string(page), "http://")
	b, err := os.ReadFile(filepath.Join(dir, reports.SweepFile))
	require.NoError(t, err)
	var cards []reports.SweepCard
	require.NoError(t, json.Unmarshal(b, &cards))
	require.Len(t, cards, 2)
	assert.Equal(t, reports.SweepSchema, cards[0].Schema)
	assert.Equal(t, "runs/a", cards[0].Points[0].Runs[0].Folder)
}
