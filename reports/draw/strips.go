package draw

import (
	"fmt"
	"math"

	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/record"
)

// Strips draws repetitions of one scenario as small multiples: one row each,
// all lanes that count together, on a shared axis that is zero at each run's
// own t0, with the end of each recovery as a black tick.
func Strips(films []*film.Film, hrefs []string) *Picture {
	const rowH, barH = 17.0, 12.0
	p := &Picture{W: filmWidth, Title: "Repetitions"}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, f := range films {
		if f.Bins > 0 {
			lo, hi = min(lo, f.Seconds(f.From)), max(hi, f.Seconds(f.To()))
		}
	}
	if !(hi > lo) {
		lo, hi = 0, 1
	}
	x := scale{lo: lo, hi: hi, a: gutter, b: rightEdge}
	y := 4.0
	for i, f := range films {
		label := fmt.Sprintf("run %d", i+1)
		if f.Repeat > 0 {
			label = fmt.Sprintf("run %d", f.Repeat)
		}
		href := ""
		if i < len(hrefs) {
			href = hrefs[i]
		}
		p.add(Shape{Class: "sft", Href: href, Labels: []Label{{Point{gutter - 8, y + barH - 2}, label, End}}})
		stripRow(p, f, x, y, barH)
		for _, pin := range f.Pins {
			if pin.Label == "t5" && !pin.Failback {
				at := x.at(f.Seconds(pin.At))
				p.rect("prf", Rect{at - 1, y - 1, 2, barH + 2}, fmt.Sprintf("%s: stable again after %s", label, Seconds(f.Seconds(pin.At))))
			}
		}
		p.Desc += fmt.Sprintf("%s: %s bad operations. ", label, group1000(float64(badOperations(f))))
		y += rowH
	}
	p.add(Shape{Class: "zero", Lines: [][]Point{{{x.at(0), 0}, {x.at(0), y}}}})
	for _, t := range ticks(lo, hi, 10) {
		p.text("sft", x.at(t), y+12, Middle, tickSeconds(t))
	}
	p.text("sft", gutter-8, y+12, End, "s from t0")
	p.H = y + 18
	return p
}

func badOperations(f *film.Film) (n int64) {
	for k := range f.Lanes {
		if l := &f.Lanes[k]; !l.Control {
			for i := range l.Good {
				n += int64(l.Bad(i))
			}
		}
	}
	return n
}

// stripRow joins bins so that a bar is at least two units wide.
func stripRow(p *Picture, f *film.Film, x scale, y, h float64) {
	if f.Bins == 0 {
		p.rect(hatch, Rect{gutter, y, rightEdge - gutter, h}, "nothing was recorded")
		return
	}
	var good, bad []Rect
	place := func(bin int) float64 { return x.at(f.Seconds(f.From + record.Time(f.Step*int64(bin)))) }
	unit := place(1) - place(0)
	group := max(1, int(math.Ceil(2/max(unit, .01))))
	for i := 0; i < f.Bins; i += group {
		var wrong, all int32
		end := min(i+group, f.Bins)
		for k := range f.Lanes {
			if l := &f.Lanes[k]; !l.Control {
				for j := i; j < end; j++ {
					wrong += l.Bad(j)
					all += l.Total(j)
				}
			}
		}
		if all == 0 {
			continue
		}
		a, b := place(i), place(end)
		good = extend(good, Rect{a, y, b - a, h})
		if wrong > 0 {
			bh := math.Ceil(max(3, h*float64(wrong)/float64(all)))
			bad = extend(bad, Rect{a, y + h - bh, b - a, bh})
		}
	}
	p.add(Shape{Class: "good", Rects: good}, Shape{Class: "bad", Rects: bad})
}
