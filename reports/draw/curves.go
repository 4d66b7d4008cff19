package draw

import (
	"fmt"
	"math"

	"github.com/hadrill/hadrill/reports/film"
)

// Curve is one line of a small plot.
type Curve struct {
	Name  string
	Class string // "p99", "p50", "ctl", "wrs"
	X, Y  []float64
}

const (
	plotWidth  = 470.0
	plotHeight = 210.0
	plotLeft   = 58.0
	plotRight  = plotWidth - 12
	plotTop    = 22.0
	plotBottom = plotHeight - 30
)

// WorstWindow draws the worst good ratio of any window against the window's
// length (Hauer et al., "Meaningful Availability", NSDI 2020): where the
// curve lies under the SLO, a user who stayed that long saw less than was
// promised. lengths are in seconds; slo is a ratio.
func WorstWindow(curves []Curve, slo float64) *Picture {
	p := &Picture{W: plotWidth, H: plotHeight, Title: "Worst window availability"}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, c := range curves {
		for _, v := range c.X {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if !(lo > 0) || math.IsInf(hi, 0) {
		p.text("sft", plotLeft, 40, Start, "not measured")
		return p
	}
	hi = max(hi, lo*2)
	x := scale{lo: lo, hi: hi, a: plotLeft, b: plotRight, log: true}
	y := scale{lo: 0, hi: 1, a: plotBottom, b: plotTop}
	p.text("txb", plotLeft, 12, Start, "worst good ratio of any window")
	for _, v := range []float64{0, .25, .5, .75, 1} {
		p.line("ax", Point{plotLeft, y.at(v)}, Point{plotRight, y.at(v)})
		p.text("sft", plotLeft-6, y.at(v)+3.5, End, fmt.Sprintf("%g %%", v*100))
	}
	for _, v := range logTicks(lo, hi) {
		p.text("sft", x.at(v), plotBottom+14, Middle, Seconds(v))
	}
	p.text("sft", plotRight, plotHeight-3, End, "window length")
	if slo > 0 {
		p.line("slo", Point{plotLeft, y.at(slo)}, Point{plotRight, y.at(slo)})
	}
	for _, c := range curves {
		p.curve(c, x, y)
	}
	return p
}

func (p *Picture) curve(c Curve, x, y scale) {
	var pts []Point
	for i := range c.X {
		pts = append(pts, Point{x.at(c.X[i]), y.at(c.Y[i])})
	}
	if len(pts) == 1 {
		pts = append(pts, Point{pts[0].X + 2, pts[0].Y})
	}
	if len(pts) > 0 {
		p.add(Shape{Class: c.Class, Lines: [][]Point{pts}, Title: c.Name})
	}
}

func logTicks(lo, hi float64) []float64 {
	var out []float64
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for _, m := range []float64{1, 3} {
			if v := m * math.Pow(10, e); v >= lo*.999 && v <= hi*1.001 {
				out = append(out, v)
			}
		}
	}
	if len(out) > 6 {
		var tens []float64
		for _, v := range out {
			if l := math.Log10(v); math.Abs(l-math.Round(l)) < 1e-9 {
				tens = append(tens, v)
			}
		}
		out = tens
	}
	return out
}

// Spectrum draws latency by percentile before, during and after the fault.
// The percentile axis is logarithmic in 1-q, as tails are.
func Spectrum(s []film.Spectrum, slo float64) *Picture {
	p := &Picture{W: plotWidth, H: plotHeight, Title: "Latency before, during and after the fault"}
	lo, hi := math.Inf(1), 0.0
	for _, c := range s {
		for _, us := range c.Micros {
			v := max(float64(us), 10) / 1e6
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if hi == 0 {
		p.text("sft", plotLeft, 40, Start, "not measured")
		return p
	}
	if slo > 0 {
		hi = max(hi, slo*1.3)
	}
	hi = max(hi, lo*10)
	tail := func(q float64) float64 { return 1 / max(1-q, 1e-5) }
	x := scale{lo: 2, hi: 1e5, a: plotLeft, b: plotRight - 30, log: true}
	y := scale{lo: lo, hi: hi, a: plotBottom, b: plotTop, log: true}
	p.text("txb", plotLeft, 12, Start, "latency by percentile")
	for _, v := range logTicks(lo, hi) {
		p.line("ax", Point{plotLeft, y.at(v)}, Point{plotRight, y.at(v)})
		p.text("sft", plotLeft-6, y.at(v)+3.5, End, Seconds(v))
	}
	for _, q := range []float64{.5, .9, .99, .999, .9999} {
		p.text("sft", x.at(tail(q)), plotBottom+14, Middle, fmt.Sprintf("p%g", q*100))
	}
	if slo > 0 {
		p.line("slo", Point{plotLeft, y.at(slo)}, Point{plotRight, y.at(slo)})
	}
	class := map[string]string{"before": "p50", "during": "wrs", "after": "p99"}
	taken := []float64{}
	for _, c := range s {
		var xs, ys []float64
		for i, q := range film.Percentiles {
			if i < len(c.Micros) && 1-q >= .5/float64(c.Samples) { // a percentile needs its samples
				xs, ys = append(xs, tail(q)), append(ys, float64(c.Micros[i])/1e6)
			}
		}
		if len(xs) == 0 {
			continue
		}
		p.curve(Curve{Name: fmt.Sprintf("%s the fault, n=%d", c.Name, c.Samples), Class: class[c.Name], X: xs, Y: ys}, x, y)
		at := y.at(ys[len(ys)-1]) + 3.5
		for _, t := range taken {
			if math.Abs(t-at) < 11 {
				at = t - 11
			}
		}
		taken = append(taken, at)
		p.text("txt", min(x.at(xs[len(xs)-1])+5, plotRight-32), at, Start, c.Name)
		p.Desc += fmt.Sprintf("%s: p50 %s. ", c.Name, Seconds(ys[0]))
	}
	return p
}
