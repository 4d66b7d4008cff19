package draw

import (
	"fmt"
	"math"
)

// Night is one point of a history.
type Night struct {
	Label   string // date
	Value   float64
	Missing bool
	Change  string // what changed before this night; "" for nothing
}

// Control draws a control chart of individual values (Shewhart 1931; Wheeler,
// "Understanding Variation", 1993): the mean of the nights before the last,
// with natural limits at 2.66 times their mean moving range. target is a
// line; NaN for none. text prints a value.
func Control(title string, nights []Night, target float64, text func(float64) string) *Picture {
	const left, right, top, bottom = 150.0, 850.0, 24.0, 120.0
	p := &Picture{W: filmWidth, H: 146, Title: title}
	p.text("txb", left, 13, Start, title)
	lower, center, upper, ok := Limits(nights)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, n := range nights {
		if !n.Missing {
			lo, hi = min(lo, n.Value), max(hi, n.Value)
		}
	}
	if math.IsInf(lo, 0) {
		p.text("sft", left, 40, Start, "not measured")
		return p
	}
	if ok {
		lo, hi = min(lo, lower), max(hi, upper)
	}
	if !math.IsNaN(target) {
		lo, hi = min(lo, target), max(hi, target)
	}
	pad := max((hi-lo)*.1, 1e-9)
	y := scale{lo: lo - pad, hi: hi + pad, a: bottom, b: top}
	step := (right - left) / float64(max(1, len(nights)-1))
	x := func(i int) float64 { return left + step*float64(i) }
	p.rect("bg", Rect{left, top, right - left, bottom - top}, "")
	if ok {
		p.line("zero", Point{left, y.at(center)}, Point{right, y.at(center)})
		p.add(Shape{Class: "thr", Lines: [][]Point{{{left, y.at(lower)}, {right, y.at(lower)}}, {{left, y.at(upper)}, {right, y.at(upper)}}}, Title: "natural limits"})
		p.text("sft", left-8, y.at(center)+3.5, End, text(center))
	}
	if !math.IsNaN(target) {
		p.line("slo", Point{left, y.at(target)}, Point{right, y.at(target)})
		p.text("hot", right+6, y.at(target)+3.5, Start, "target "+text(target))
	}
	var line []Point
	for i, n := range nights {
		if n.Change != "" {
			p.add(Shape{Class: "pin", Lines: [][]Point{{{x(i) - step/2, top}, {x(i) - step/2, bottom}}}, Title: n.Label + ": " + n.Change})
		}
		if !n.Missing {
			line = append(line, Point{x(i), y.at(n.Value)})
		}
	}
	p.add(Shape{Class: "ln", Lines: [][]Point{line}})
	for i, n := range nights {
		if n.Missing {
			continue
		}
		class, note := "dot", ""
		if ok && Outside(n.Value, lower, upper) {
			class, note = "dtb", ", outside the natural limits"
		}
		p.disc(class, x(i), y.at(n.Value), n.Label+": "+text(n.Value)+note)
		if i == len(nights)-1 {
			p.Desc = "last: " + text(n.Value) + note
		}
	}
	p.text("sft", left, bottom+16, Start, nights[0].Label)
	if len(nights) > 1 {
		p.text("sft", right, bottom+16, End, nights[len(nights)-1].Label)
	}
	return p
}

// Limits returns the natural process limits of all nights but the last, which
// is the one in question. ok is false when there are fewer than five.
func Limits(nights []Night) (lower, center, upper float64, ok bool) {
	var vs []float64
	for _, n := range nights[:max(0, len(nights)-1)] {
		if !n.Missing {
			vs = append(vs, n.Value)
		}
	}
	if len(vs) < 5 {
		return 0, 0, 0, false
	}
	moving := 0.0
	for i, v := range vs {
		center += v / float64(len(vs))
		if i > 0 {
			moving += math.Abs(v-vs[i-1]) / float64(len(vs)-1)
		}
	}
	return center - 2.66*moving, center, center + 2.66*moving, true
}

// Outside tells whether a value lies beyond the natural limits by more than
// the rounding of their sums.
func Outside(v, lower, upper float64) bool {
	slack := 1e-9 * (math.Abs(lower) + math.Abs(upper))
	return v > upper+slack || v < lower-slack
}

// String makes a night readable in a test's failure.
func (n Night) String() string { return fmt.Sprintf("%s=%g", n.Label, n.Value) }
