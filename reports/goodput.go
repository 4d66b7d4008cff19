package reports

import (
	"html/template"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/record"
)

// goodputTrace is a run as a line of the plot of goodput.
func goodputTrace(res *record.Result, f *film.Film) draw.Trace {
	class := "btr"
	if isTwin(res) {
		class = "wrs"
	}
	return draw.Trace{Name: res.Scenario.Name, Class: class, Film: f}
}

// goodputPlot draws a scenario's worst run, and that of the safe scenario it
// is a twin of, so that a reader sees what the one setting does; nil for a
// scenario without a surge.
func goodputPlot(s, safe *ScenarioCard, films func(ScenarioCard, int) *film.Film) *draw.Picture {
	var traces []draw.Trace
	capacity := 0.0
	for _, card := range []*ScenarioCard{safe, s} {
		if card == nil {
			continue
		}
		order := card.worstFirst()
		if len(order) == 0 {
			continue
		}
		res := card.results[order[0]]
		u := res.Scenario.Surge
		if u == nil {
			continue
		}
		if f := films(*card, order[0]); f != nil && f.Bins > 0 {
			traces, capacity = append(traces, goodputTrace(res, f)), u.Capacity
		}
	}
	if len(traces) == 0 {
		return nil
	}
	return draw.Goodput(traces, capacity)
}

func (d *drillPage) goodput(films func(ScenarioCard, int) *film.Film) {
	if p := goodputPlot(d.Card, d.safe, films); p != nil {
		d.Goodput = template.HTML(p.Inline())
	}
}
