package draw

import (
	"fmt"
	"math"

	"github.com/hadrill/hadrill/reports/film"
)

// Trace is a run in the plane of what was offered and what of it was good.
type Trace struct {
	Name  string // "with a limit"
	Class string // of the line: "btr", "wrs", "p99"
	Film  *film.Film
}

// traceStep is about how long a run stays at one point of its trace.
const traceStep = 0.5 // s

// points are a trace's offered and good operations a second, and the seconds
// since the load began that each point stands for, in order of time.
func (t Trace) points() (offered, good, at []float64) {
	f := t.Film
	if f == nil || f.Bins == 0 || !f.Valid() {
		return nil, nil, nil
	}
	each := max(1, int(math.Round(traceStep/f.StepSeconds())))
	for from := 0; from+each <= f.Bins; from += each {
		all, well := 0.0, 0.0
		for _, l := range f.Lanes {
			for i := from; i < from+each && !l.Control; i++ {
				all, well = all+float64(l.Total(i)), well+float64(l.Good[i])
			}
		}
		span := float64(each) * f.StepSeconds()
		if all > 0 {
			offered, good, at = append(offered, all/span), append(good, well/span), append(at, (float64(from)+float64(each)/2)*f.StepSeconds())
		}
	}
	return offered, good, at
}

// Goodput draws goodput against offered load, a path through time: up the
// diagonal while everything offered is good, along the capacity when no more
// can be. A system that collapses leaves the capacity downwards, and one in a
// metastable state comes back to the load it once carried at the bottom of the
// plot (Bronson et al., HotOS 2021). capacity is in operations a second.
func Goodput(traces []Trace, capacity float64) *Picture {
	p := &Picture{W: plotWidth, H: plotHeight, Title: "Goodput against offered load"}
	top, right := capacity*1.15, capacity*1.15
	for _, t := range traces {
		offered, good, _ := t.points()
		for i := range offered {
			right, top = max(right, offered[i]), max(top, good[i])
		}
	}
	if !(capacity > 0) || math.IsInf(right, 0) {
		p.text("sft", plotLeft, 40, Start, "not measured")
		return p
	}
	x := scale{lo: 0, hi: right, a: plotLeft, b: plotRight}
	under := plotTop + 13*float64(len(traces)) // the legend
	y := scale{lo: 0, hi: top, a: plotBottom, b: under}
	p.text("txb", plotLeft, 12, Start, "good a second, against offered a second")
	for _, v := range ticks(0, top, 4) {
		p.line("ax", Point{plotLeft, y.at(v)}, Point{plotRight, y.at(v)})
		p.text("sft", plotLeft-6, y.at(v)+3.5, End, fmt.Sprintf("%g", v))
	}
	for _, v := range ticks(0, right, 5) {
		p.text("sft", x.at(v), plotBottom+14, Middle, fmt.Sprintf("%g", v))
	}
	p.text("sft", plotRight, plotHeight-3, End, "offered")
	p.line("slo", Point{plotLeft, y.at(capacity)}, Point{plotRight, y.at(capacity)})
	p.line("thr", Point{x.at(0), y.at(0)}, Point{x.at(min(top, right)), y.at(min(top, right))})
	for k, t := range traces {
		p.trace(t, x, y, plotTop+5+13*float64(k))
	}
	p.text("txt", plotRight-8, y.at(capacity)-7, End, "capacity")
	return p
}

// trace draws one run: its path, a dot where each half second was, and where
// it ended.
func (p *Picture) trace(t Trace, x, y scale, legend float64) {
	offered, good, at := t.points()
	if len(offered) == 0 {
		return
	}
	p.curve(Curve{Name: t.Name, Class: t.Class, X: offered, Y: good}, x, y)
	for i := range offered {
		p.disc("dto", x.at(offered[i]), y.at(good[i]), fmt.Sprintf("%s, at %s: %.0f offered, %.0f good a second", t.Name, Seconds(at[i]), offered[i], good[i]))
	}
	last := len(offered) - 1
	class := "dot"
	if t.Class == "wrs" {
		class = "dtb"
	}
	p.disc(class, x.at(offered[last]), y.at(good[last]), fmt.Sprintf("%s: the end", t.Name))
	p.line(t.Class, Point{plotLeft, legend - 3.5}, Point{plotLeft + 18, legend - 3.5})
	p.text("txt", plotLeft+23, legend, Start, t.Name)
	p.Desc += fmt.Sprintf("%s ends with %.0f of %.0f offered a second being good. ", t.Name, good[last], offered[last])
}
