package draw

import (
	"fmt"
	"math"
	"slices"

	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/record"
)

// latencyPlot draws p50 and p99 by intended time on a log scale, the range
// from the quickest to the slowest operation behind them, and the control
// lane's p99 in grey.
func (d *filmDrawing) latencyPlot() {
	const h = 104.0
	lo, hi := latencyRange(&d.f.Latency, &d.f.Control)
	if hi == 0 {
		return
	}
	slo := d.f.SLO.Latency.Seconds()
	if slo > 0 {
		hi = max(hi, slo*1.2)
	}
	top := d.y
	d.rect("bg", Rect{gutter, top, rightEdge - gutter, h}, "")
	y := scale{lo: lo, hi: hi, a: top + h, b: top, log: true}
	d.text("txt", gutter-8, top+9, End, "latency")
	var rules [][]Point
	last := math.Inf(1)
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		v := math.Pow(10, e)
		if v < lo*.999 || v > hi*1.001 {
			continue
		}
		at := y.at(v)
		rules = append(rules, []Point{{gutter, at}, {rightEdge, at}})
		if last-at > 12 && at > top+20 {
			d.text("sft", gutter-8, at+3.5, End, Seconds(v))
			last = at
		}
	}
	d.add(Shape{Class: "ax", Lines: rules})
	l, control := d.f.Latency, d.f.Control.P99
	if d.opt.Small {
		l.Min, l.Max, l.P50 = join(l.Min, 4, lowest), join(l.Max, 4, highest), join(l.P50, 3, middle)
		control = join(control, 4, highest)
	}
	d.add(Shape{Class: "mm", Areas: d.ribbon(y, l.Min, l.Max), Title: "quickest to slowest operation"})
	d.add(Shape{Class: "ctl", Lines: d.curve(y, control), Title: "p99 of the control lane"})
	d.add(Shape{Class: "p50", Lines: d.curve(y, l.P50), Title: "p50 by intended time"})
	d.add(Shape{Class: "p99", Lines: d.curve(y, l.P99), Title: "p99 by intended time"})
	if slo > 0 {
		at := y.at(slo)
		d.line("slo", Point{gutter, at}, Point{rightEdge, at})
		d.text("hot", rightEdge-4, at-3, End, "SLO "+Seconds(slo))
	}
	d.y += h + 8
}

func latencyRange(ls ...*film.Latency) (lo, hi float64) {
	lo = math.Inf(1)
	for _, l := range ls {
		for i := range l.Min {
			if l.Min[i] != film.None {
				lo, hi = min(lo, float64(max(l.Min[i], 10))/1e6), max(hi, float64(l.Max[i])/1e6)
			}
		}
	}
	return lo, max(hi, lo*10) * b2f(hi > 0)
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// join keeps one value for k bins, in the middle one of them.
func join(us []int32, k int, pick func([]int32) int32) []int32 {
	out := make([]int32, len(us))
	for i := range out {
		out[i] = film.None
	}
	some := make([]int32, 0, k)
	for i := 0; i < len(us); i += k {
		some = some[:0]
		last := 0
		for j, v := range us[i:min(i+k, len(us))] {
			if v != film.None {
				some, last = append(some, v), j
			}
		}
		if len(some) > 0 {
			out[i+min(k/2, last)] = pick(some)
		}
	}
	return out
}

func lowest(us []int32) int32  { return slices.Min(us) }
func highest(us []int32) int32 { return slices.Max(us) }

func middle(us []int32) int32 {
	slices.Sort(us)
	return us[len(us)/2]
}

// binX is the middle of a bin, in whole units: short numbers make small files.
func (d *filmDrawing) binX(i int) float64 {
	return math.Round(gutter + (rightEdge-gutter)*(float64(i)+.5)/float64(d.f.Bins))
}

// longestGap is how many bins without a value a curve bridges.
func (d *filmDrawing) longestGap() int {
	if d.opt.Small {
		return max(5, d.f.Bins/60)
	}
	return max(3, d.f.Bins/100)
}

// curve draws one value a bin; where nothing was answered there is a gap.
func (d *filmDrawing) curve(y scale, us []int32) [][]Point {
	var out [][]Point
	var run []Point
	quiet := 0
	for i, v := range us {
		if v == film.None {
			quiet++
			continue
		}
		if quiet > d.longestGap() && run != nil {
			out, run = append(out, run), nil
		}
		quiet = 0
		run = append(run, Point{d.binX(i), math.Round(y.at(float64(v) / 1e6))})
	}
	if run != nil {
		out = append(out, run)
	}
	for i, r := range out {
		if len(r) == 1 { // a lone point must be seen
			out[i] = append(r, Point{r[0].X + 1.5, r[0].Y})
		} else {
			out[i] = straighten(r)
		}
	}
	return out
}

// straighten drops the inner points of level stretches.
func straighten(pts []Point) []Point {
	out := pts[:1:1]
	for i := 1; i < len(pts); i++ {
		if i+1 < len(pts) && pts[i].Y == out[len(out)-1].Y && pts[i].Y == pts[i+1].Y {
			continue
		}
		out = append(out, pts[i])
	}
	return out
}

func (d *filmDrawing) ribbon(y scale, low, high []int32) [][]Point {
	var out [][]Point
	for _, pair := range segments(low, d.longestGap()) {
		var up, down []Point
		for _, i := range pair {
			up = append(up, Point{d.binX(i), math.Round(y.at(float64(high[i]) / 1e6))})
			down = append(down, Point{d.binX(i), math.Round(y.at(float64(low[i]) / 1e6))})
		}
		up, down = straighten(up), straighten(down)
		for i := len(down) - 1; i >= 0; i-- {
			up = append(up, down[i])
		}
		out = append(out, up)
	}
	return out
}

// segments splits the bins that have a value where more than gap are missing.
func segments(vs []int32, gap int) [][]int {
	var out [][]int
	var run []int
	for i, v := range vs {
		if v == film.None {
			continue
		}
		if len(run) > 0 && i-run[len(run)-1] > gap+1 {
			out, run = append(out, run), nil
		}
		run = append(run, i)
	}
	if run != nil {
		out = append(out, run)
	}
	return out
}

// ratePlot draws good operations a second (area) under what was answered at
// all and what was intended (dashed). Rates are means over a stretch of at
// least a twentieth of a second (less in a close-up), so that the counts mean
// something.
func (d *filmDrawing) ratePlot() {
	const h = 58.0
	step := d.f.StepSeconds()
	group := max(1, int(math.Ceil(min(.05, step*float64(d.f.Bins)/30)/step)), d.f.Bins/200)
	type sample struct{ x0, x1, good, done, all float64 }
	var samples []sample
	top := 0.0
	w := (rightEdge - gutter) / float64(d.f.Bins)
	for i := 0; i < d.f.Bins; i += group {
		end := min(i+group, d.f.Bins)
		s := sample{x0: gutter + w*float64(i), x1: gutter + w*float64(end)}
		for k := range d.f.Lanes {
			if l := &d.f.Lanes[k]; !l.Control {
				for j := i; j < end; j++ {
					s.good += float64(l.Good[j])
					s.done += float64(l.Good[j] + l.Late[j])
					s.all += float64(l.Total(j))
				}
			}
		}
		sec := step * float64(end-i)
		s.good, s.done, s.all = s.good/sec, s.done/sec, s.all/sec
		top = max(top, s.all)
		samples = append(samples, s)
	}
	if top == 0 {
		return
	}
	y0 := d.y
	y := scale{lo: 0, hi: top * 1.1, a: y0 + h, b: y0}
	d.rect("bg", Rect{gutter, y0, rightEdge - gutter, h}, "")
	d.text("txt", gutter-8, y0+9, End, "goodput")
	d.text("sft", gutter-8, y0+21, End, "operations/s")
	step1 := func(v func(sample) float64) []Point {
		var pts []Point
		for _, s := range samples {
			at := math.Round(y.at(v(s))*2) / 2
			pts = append(pts, Point{s.x0, at}, Point{s.x1, at})
		}
		return straighten(pts)
	}
	good := step1(func(s sample) float64 { return s.good })
	area := append(append([]Point{{gutter, y0 + h}}, good...), Point{rightEdge, y0 + h})
	d.add(Shape{Class: "gput", Areas: [][]Point{area}, Title: "good operations a second"})
	d.add(Shape{Class: "ln", Lines: [][]Point{step1(func(s sample) float64 { return s.done })}, Title: "answered operations a second"})
	d.add(Shape{Class: "thr", Lines: [][]Point{step1(func(s sample) float64 { return s.all })}, Title: "intended operations a second"})
	d.text("sft", gutter-8, y.at(top)+12+22, End, fmt.Sprintf("%s intended", group1000(top)))
	d.y += h + 8
}

func group1000(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// eventRow ticks what components said and what the engine saw.
func (d *filmDrawing) eventRow() {
	if len(d.f.Events) == 0 {
		return
	}
	y := d.row("events", "sft", 11)
	last := math.Inf(-1)
	for _, e := range d.f.Events {
		x := d.place(e.At)
		class := "tick"
		if e.Kind == record.EventError {
			class = "err"
		} else if x-last < 1 {
			continue // a tick stands there already; the table lists all
		}
		last = x
		s := Shape{Class: class, Lines: [][]Point{{{x, y}, {x, y + 10}}},
			Title: fmt.Sprintf("%s %s: %s", Seconds(d.f.Seconds(e.At)), e.Kind, e.Text)}
		if d.opt.Links {
			s.Href = fmt.Sprintf("%s#event-%d", d.opt.Link, e.Index)
		}
		d.add(s)
	}
	d.y += 3
}
