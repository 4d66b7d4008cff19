package draw_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
)

// load is a film of one lane at a quarter of a second a bin, beside a control
// lane that must not count: so many offered, so many of them good, by bin.
func load(offered, good []int32) *film.Film {
	n := len(offered)
	none := make([]int32, n)
	quiet := func() film.Latency { return film.Latency{Min: none, P50: none, P99: none, Max: none} }
	lane := film.Lane{Name: "main", Good: good, Late: none, Unknown: none, Failed: make([]int32, n)}
	control := film.Lane{Name: "control", Control: true, Good: make([]int32, n), Late: none, Unknown: none, Failed: none}
	for i := range offered {
		lane.Failed[i] = offered[i] - good[i]
		control.Good[i] = 1000
	}
	return &film.Film{Schema: film.Schema, Bins: n, Step: 250e6, Lanes: []film.Lane{lane, control}, Latency: quiet(), Control: quiet()}
}

func TestGoodputSaysWhereARunEnded(t *testing.T) {
	collapsed := load([]int32{10, 10, 75, 75, 15, 15}, []int32{10, 10, 5, 5, 0, 0})
	held := load([]int32{10, 10, 75, 75, 15, 15}, []int32{10, 10, 25, 25, 15, 15})
	p := draw.Goodput([]draw.Trace{{Name: "with", Class: "btr", Film: held}, {Name: "without", Class: "wrs", Film: collapsed}}, 100)
	assert.Contains(t, p.Desc, "with ends with 60 of 60 offered")
	assert.Contains(t, p.Desc, "without ends with 0 of 60 offered")
	assert.Contains(t, p.SVG(), "with, at 750 ms: 300 offered, 100 good a second")
	_, err := p.PNG(1)
	require.NoError(t, err)
}

func TestGoodputIsWellFormedWithAnyData(t *testing.T) {
	for name, p := range map[string]*draw.Picture{
		"no trace":    draw.Goodput(nil, 100),
		"no capacity": draw.Goodput([]draw.Trace{{Name: "x", Film: load([]int32{1, 1}, []int32{1, 1})}}, 0),
		"no film":     draw.Goodput([]draw.Trace{{Name: "x", Class: "p99"}}, 100),
		"empty film":  draw.Goodput([]draw.Trace{{Name: "x", Class: "p99", Film: &film.Film{}}}, 100),
		"broken film": draw.Goodput([]draw.Trace{{Name: "x", Class: "p99", Film: &film.Film{Bins: 3, Step: 1}}}, 100),
		"hostile":     draw.Goodput([]draw.Trace{{Name: `<b>"&`, Class: "p99", Film: load([]int32{1, 1}, []int32{0, 0})}}, 1),
	} {
		svg := p.SVG()
		assert.NotContains(t, svg, "NaN", name)
		assert.NotContains(t, svg, "Inf", name)
		assert.NotContains(t, svg, "<b>", name)
	}
}
