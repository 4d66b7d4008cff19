package draw

import (
	"fmt"
	"math"
	"slices"
)

// Knob is a setting and the places it was turned to.
type Knob struct {
	Name   string
	Labels []string
	At     []float64 // the places' values; nil for names, which stand evenly apart
}

// Cloud is one figure at every place of a knob: what each run measured.
type Cloud struct {
	Name  string
	Class string     // of its line, such as "bl"
	Runs  [][]Sample // by place, then by run
}

// Sample is what one run measured.
type Sample struct {
	Value    float64
	Censored bool // the true value is beyond Value
}

// Panel is one plot over the knob.
type Panel struct {
	Title  string
	Log    bool // a logarithmic axis; values of zero stand at its foot
	Clouds []Cloud
	// Slope and Intercept are the line through the first cloud; HasLine says
	// whether there is one.
	Slope, Intercept float64
	HasLine          bool
}

const (
	panelHeight = 190.0
	panelLeft   = 64.0
	panelRight  = filmWidth - 190
)

// Sweep draws what a setting costs: panels below one another over a common
// axis, each run a dot, medians joined by a line, what did not end in time
// marked as an arrow's foot. text prints a value. A knob without places, or
// without a single measured value, says so.
//
//	recovery  |            .  o      o median of the runs
//	          |      o  '            . a run
//	          |  o ,                 ^ a run that had not recovered
//	          +--+-----+-----+----
//	latency   |  o-----o-----o
//	          +--+-----+-----+----
//	           200ms  500ms  1s
func Sweep(k Knob, panels []Panel, text func(float64) string) *Picture {
	p := &Picture{W: filmWidth, Title: "What " + k.Name + " costs"}
	x := k.scale()
	top := 0.0
	for _, panel := range panels {
		p.panel(k, x, panel, top, text)
		top += panelHeight
	}
	for i, label := range k.Labels {
		p.text("txt", x(i), top+14, Middle, shorten(label, 110, 11))
	}
	p.text("sft", panelRight, top+30, End, shorten(k.Name, panelRight-panelLeft, 10.5))
	p.H = top + 38
	return p
}

// scale maps a place's index to its place on the axis: by value where there
// are values, logarithmically where they span more than a factor of eight.
func (k Knob) scale() func(int) float64 {
	n := len(k.Labels)
	const pad = 30.0
	if len(k.At) != n || n < 2 {
		step := (panelRight - panelLeft - 2*pad) / float64(max(1, n-1))
		if n < 2 {
			return func(int) float64 { return (panelLeft + panelRight) / 2 }
		}
		return func(i int) float64 { return panelLeft + pad + step*float64(i) }
	}
	lo, hi := slices.Min(k.At), slices.Max(k.At)
	s := scale{lo: lo, hi: hi, a: panelLeft + pad, b: panelRight - pad, log: lo > 0 && hi > 8*lo}
	return func(i int) float64 { return s.at(k.At[i]) }
}

func (p *Picture) panel(k Knob, x func(int) float64, panel Panel, top float64, text func(float64) string) {
	upper, lower := top+26, top+panelHeight-16
	p.text("txb", panelLeft, top+13, Start, panel.Title)
	y, measured := panel.scale(lower, upper)
	if !measured {
		p.text("sft", panelLeft, top+44, Start, "not measured")
		return
	}
	grid := ticks(y.lo, y.hi, 4)
	if y.log {
		grid = logTicks(y.lo, y.hi)
	}
	for _, v := range grid {
		p.line("ax", Point{panelLeft, y.at(v)}, Point{panelRight, y.at(v)})
		p.text("sft", panelLeft-6, y.at(v)+3.5, End, text(v))
	}
	if panel.HasLine && len(k.At) == len(k.Labels) {
		var line []Point
		for i, at := range k.At { // bent where the axis is logarithmic
			line = append(line, Point{x(i), y.at(panel.Intercept + panel.Slope*at)})
		}
		p.add(Shape{Class: "thr", Lines: [][]Point{line}, Title: "straight line through all runs (Theil-Sen)"})
	}
	var taken []float64
	for _, c := range panel.Clouds {
		if end, drawn := p.cloud(k, x, y, c, text); drawn {
			at := end.Y + 3.5
			for _, t := range taken {
				if math.Abs(t-at) < 12 {
					at = t + 12
				}
			}
			taken = append(taken, at)
			p.text("txt", panelRight+8, at, Start, shorten(c.Name, filmWidth-panelRight-10, 11))
		}
	}
}

// scale holds every value of the panel; measured is false when there is none.
func (panel Panel) scale(lower, upper float64) (s scale, measured bool) {
	lo, hi := math.Inf(1), 0.0
	for _, c := range panel.Clouds {
		for _, place := range c.Runs {
			for _, r := range place {
				measured = true
				hi = max(hi, r.Value)
				if r.Value > 0 {
					lo = min(lo, r.Value)
				}
			}
		}
	}
	if !measured {
		return scale{}, false
	}
	if panel.Log && hi > 0 {
		return scale{lo: lo * .8, hi: max(hi*1.25, lo*10), a: lower, b: upper, log: true}, true
	}
	return scale{lo: 0, hi: max(hi*1.08, 1e-6), a: lower, b: upper}, true
}

// cloud draws one figure and returns where its line ends.
func (p *Picture) cloud(k Knob, x func(int) float64, y scale, c Cloud, text func(float64) string) (end Point, drawn bool) {
	var line []Point
	for i, place := range c.Runs {
		var values []float64
		for _, r := range place {
			values = append(values, r.Value)
			note := fmt.Sprintf("%s at %s: %s", c.Name, k.Labels[i], text(r.Value))
			if r.Censored {
				px, py := x(i), y.at(r.Value)
				p.add(Shape{Class: "err", Title: note + " and not over yet", Lines: [][]Point{{{px, py}, {px, py - 9}}, {{px - 4, py - 5}, {px, py - 9}, {px + 4, py - 5}}}})
				continue
			}
			p.add(Shape{Class: "dto", Title: note, Rects: []Rect{{x(i) - 1.5, y.at(r.Value) - 1.5, 3, 3}}})
		}
		if len(values) == 0 {
			continue
		}
		slices.Sort(values)
		n := len(values)
		middle := (values[(n-1)/2] + values[n/2]) / 2
		end, drawn = Point{x(i), y.at(middle)}, true
		line = append(line, end)
		p.Desc += fmt.Sprintf("%s at %s: median %s of %d. ", c.Name, k.Labels[i], text(middle), n)
	}
	if len(line) > 1 {
		p.add(Shape{Class: c.Class, Title: c.Name, Lines: [][]Point{line}})
	}
	for _, m := range line {
		p.disc("dot", m.X, m.Y, c.Name)
	}
	return end, drawn
}
