package draw_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/reports/draw"
)

func samples(values ...float64) []draw.Sample {
	var out []draw.Sample
	for _, v := range values {
		out = append(out, draw.Sample{Value: v})
	}
	return out
}

func TestASweepStandsAtItsValuesAndJoinsTheMedians(t *testing.T) {
	k := draw.Knob{Name: "down-after", Labels: []string{"1s", "2s", "4s"}, At: []float64{1, 2, 4}}
	panels := []draw.Panel{{Title: "rto", Clouds: []draw.Cloud{{Name: "rto", Class: "bl", Runs: [][]draw.Sample{samples(1, 2, 9), samples(3), samples(5, 5)}}}}}
	p := draw.Sweep(k, panels, draw.Seconds)
	assert.Contains(t, p.Desc, "rto at 1s: median 2 s of 3.")
	assert.Contains(t, p.Desc, "rto at 4s: median 5 s of 2.")
	x := map[string]float64{}
	for _, s := range p.Shapes {
		for _, l := range s.Labels {
			x[l.Text] = l.At.X
		}
	}
	assert.InDelta(t, 2*(x["2s"]-x["1s"]), x["4s"]-x["2s"], 1e-9, "4 is twice as far from 2 as 2 is from 1")
}

func TestNamesStandEvenlyApart(t *testing.T) {
	p := draw.Sweep(draw.Knob{Labels: []string{"a", "b", "c"}}, []draw.Panel{{Clouds: []draw.Cloud{{Runs: [][]draw.Sample{samples(1), samples(2), samples(3)}}}}}, draw.Seconds)
	x := map[string]float64{}
	for _, s := range p.Shapes {
		for _, l := range s.Labels {
			x[l.Text] = l.At.X
		}
	}
	assert.InDelta(t, x["b"]-x["a"], x["c"]-x["b"], 1e-9)
}
