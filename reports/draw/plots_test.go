package draw_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/record"
)

func nights(values ...float64) []draw.Night {
	var out []draw.Night
	for _, v := range values {
		out = append(out, draw.Night{Label: "2026-03-01", Value: v, Missing: math.IsNaN(v)})
	}
	return out
}

func TestNaturalLimits(t *testing.T) {
	// Mean 10, moving ranges 1 1 1 1: limits 10.4 -+ 2.66.
	lower, center, upper, ok := draw.Limits(nights(10, 11, 10, 11, 10, 99))
	assert.True(t, ok)
	assert.InDelta(t, 10.4, center, 1e-12)
	assert.InDelta(t, 10.4-2.66, lower, 1e-12)
	assert.InDelta(t, 10.4+2.66, upper, 1e-12)

	_, _, _, ok = draw.Limits(nights(1, 2, 3, 4, 5))
	assert.False(t, ok, "four nights before the last are too few")

	lower, _, upper, _ = draw.Limits(nights(.1, .1, .1, .1, .1, .1, .1))
	assert.False(t, draw.Outside(.1, lower, upper), "a constant is inside its own limits")
	assert.True(t, draw.Outside(.2, lower, upper))
}

func TestAPointOutsideTheLimitsIsSaidToBe(t *testing.T) {
	text := func(v float64) string { return draw.Seconds(v) }
	assert.Contains(t, draw.Control("rto", nights(1, 1.1, 1, 1.1, 1, 1.1, 5), 3, text).SVG(), "outside the natural limits")
	assert.NotContains(t, draw.Control("rto", nights(1, 1.1, 1, 1.1, 1, 1.1, 1), 3, text).SVG(), "outside the natural limits")
	assert.Contains(t, draw.Control("rto", nights(math.NaN(), math.NaN()), 3, text).SVG(), "not measured")
}

func TestEveryPlotIsWellFormedWithAnyData(t *testing.T) {
	hostile := `<script>"&'` + "\x00\xff"
	for name, p := range map[string]*draw.Picture{
		"recovery, nothing":      draw.Recovery(nil, -1, -1),
		"recovery, unseen":       draw.Recovery([]draw.Stack{{Name: hostile, Detect: -1, Failover: -1, Reconnect: -1, Settle: -1, RTO: -1}}, 3, 6),
		"recovery, censored":     draw.Recovery([]draw.Stack{{Name: "x", Detect: .5, Failover: -1, Reconnect: -1, Settle: -1, RTO: 8, Censored: true}}, 3, 6),
		"recovery, zero":         draw.Recovery([]draw.Stack{{Name: "x"}}, 0, 0),
		"strips, nothing":        draw.Strips(nil, nil),
		"strips, empty film":     draw.Strips([]*film.Film{{}}, []string{hostile}),
		"worst window, nothing":  draw.WorstWindow(nil, .99),
		"worst window, a point":  draw.WorstWindow([]draw.Curve{{Name: hostile, Class: "p99", X: []float64{1}, Y: []float64{0}}}, .99),
		"spectrum, nothing":      draw.Spectrum(nil, 0),
		"spectrum, one sample":   draw.Spectrum([]film.Spectrum{{Name: "before", Samples: 1, Micros: make([]int32, len(film.Percentiles))}}, .1),
		"dumbbells, nothing":     draw.Dumbbells(nil),
		"dumbbells, no change":   draw.Dumbbells([]draw.Dumbbell{{Name: hostile, Objective: hostile, Reason: hostile}}),
		"ledger, nothing":        draw.Ledger(&record.LedgerSeries{}, 0),
		"ledger, damaged":        draw.Ledger(&record.LedgerSeries{Kept: []int32{1, 2}, Lost: []int32{1}}, record.Never),
		"ledger, a slice":        draw.Ledger(&record.LedgerSeries{Step: 1, Kept: []int32{0}, Lost: []int32{0}, Unknown: []int32{0}, Duplicates: []int32{1}}, 0),
		"interval":               draw.Interval(100, 0),
		"sweep, nothing":         draw.Sweep(draw.Knob{}, []draw.Panel{{Title: hostile}}, draw.Seconds),
		"sweep, names":           draw.Sweep(draw.Knob{Name: hostile, Labels: []string{hostile, "b"}}, []draw.Panel{{Title: "t", Log: true, Clouds: []draw.Cloud{{Name: hostile, Class: "bl", Runs: [][]draw.Sample{{{Value: 0}}, nil}}}}}, draw.Seconds),
		"sweep, censored":        draw.Sweep(draw.Knob{Name: "k", Labels: []string{"1s", "20s"}, At: []float64{1, 20}}, []draw.Panel{{Title: "t", HasLine: true, Slope: 1, Intercept: -5, Clouds: []draw.Cloud{{Name: "rto", Class: "bl", Runs: [][]draw.Sample{{{Value: 9, Censored: true}}, {{Value: 3}}}}}}}, draw.Seconds),
		"a control chart of one": draw.Control(hostile, nights(1), math.NaN(), draw.Seconds),
	} {
		t.Run(name, func(t *testing.T) {
			svg := p.SVG()
			wellFormed(t, svg)
			assert.NotContains(t, svg, "NaN")
			assert.NotContains(t, svg, "Inf")
			assert.NotContains(t, svg, "<script")
			_, err := p.PNG(1)
			assert.NoError(t, err)
		})
	}
	wellFormed(t, draw.Badge(hostile, hostile, false))
}

// One lost write among a million must be seen: a column is never shorter
// than three units, and its number is in words too.
func TestALedgerShowsTheOneLostWriteAmongManyKept(t *testing.T) {
	p := draw.Ledger(&record.LedgerSeries{Step: 1e9, Kept: []int32{1_000_000, 1_000_000}, Lost: []int32{0, 1}, Unknown: []int32{0, 0}, Duplicates: []int32{0, 3}}, 0)
	assert.Contains(t, p.Desc, "lost: 1.")
	assert.Contains(t, p.Desc, "further copies: 3.")
	for _, s := range p.Shapes {
		if s.Class == "bad" && s.Title == "lost: 1" {
			require.Len(t, s.Rects, 1)
			assert.GreaterOrEqual(t, s.Rects[0].H, 3.0)
			return
		}
	}
	assert.Fail(t, "nothing is drawn for the lost write")
}

func TestAPercentileNeedsItsSamples(t *testing.T) {
	us := make([]int32, len(film.Percentiles))
	for i := range us {
		us[i] = int32(1000 * (i + 1))
	}
	few := draw.Spectrum([]film.Spectrum{{Name: "before", Samples: 50, Micros: us}}, 0).SVG()
	many := draw.Spectrum([]film.Spectrum{{Name: "before", Samples: 100_000, Micros: us}}, 0).SVG()
	assert.Less(t, strings.Count(curve(few), "l"), strings.Count(curve(many), "l"), "fifty samples have no p99.9")
}

func curve(svg string) string {
	_, rest, _ := strings.Cut(svg, `<path class="p50" d="`)
	d, _, _ := strings.Cut(rest, `"`)
	return d
}

func TestSecondsForPeople(t *testing.T) {
	for v, want := range map[float64]string{0: "0 s", 1e-6: "1 µs", .0123: "12.3 ms", .9999: "1 s", -.5: "−500 ms", 59.96: "60 s", 3600: "3600 s"} {
		assert.Equal(t, want, draw.Seconds(v))
	}
}

func TestARecoveryIsSplitWhereItWasSeen(t *testing.T) {
	for _, c := range []struct {
		name string
		in   draw.Stack
		want []string // the bars' first and last places are those of these seconds
	}{
		{"all seen", draw.Stack{Detect: 1, Failover: 1, Reconnect: 1, Settle: 1, RTO: 4}, nil},
		{"only the end seen", draw.Stack{Detect: -1, Failover: -1, Reconnect: 0, Settle: 1, RTO: 4}, []string{"hat"}},
		{"nothing seen", draw.Stack{Detect: -1, Failover: -1, Reconnect: -1, Settle: -1, RTO: 4}, []string{"hat"}},
		{"not recovered", draw.Stack{Detect: 1, Failover: -1, Reconnect: -1, Settle: -1, RTO: 4, Censored: true}, []string{"hat"}},
		{"nothing broke", draw.Stack{Detect: -1, Failover: -1, Reconnect: -1, Settle: -1}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			svg := draw.Recovery([]draw.Stack{c.in}, -1, -1).Inline()
			assert.Equal(t, len(c.want) > 0, strings.Contains(svg, `class="hat"`))
		})
	}
	// The settling stands at the end of the recovery, not at its beginning:
	// axis 210..860 for 0..4.2 s, so 3 s is at 674.3.
	svg := draw.Recovery([]draw.Stack{{Detect: -1, Failover: -1, Reconnect: 0, Settle: 1, RTO: 4}}, -1, -1).Inline()
	assert.Contains(t, svg, `class="s4" d="M674.3 `)
}
