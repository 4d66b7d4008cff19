package draw

import (
	"fmt"

	"github.com/hadrill/hadrill/runner/record"
)

// Ledger draws what became of the writes over time, zero at the instant zero:
// columns of what was kept, lost and of unknown outcome, lost ones never
// shorter than can be seen, and below them where copies were found.
//
//	kept     ▇▇▇▇▇▇▇▁ ▆▇▇▇
//	lost          ▂▇
//	copies              ▂
func Ledger(s *record.LedgerSeries, zero record.Time) *Picture {
	const top, height, least = 8.0, 90.0, 3.0
	p := &Picture{W: filmWidth, Title: "Writes over time"}
	n := min(len(s.Kept), len(s.Lost), len(s.Unknown), len(s.Duplicates))
	step := float64(s.Step) / 1e9
	lo := (s.From - zero).Seconds()
	x := scale{lo: lo, hi: lo + step*float64(n), a: gutter, b: rightEdge}
	most := int32(1)
	for i := range n {
		most = max(most, s.Kept[i]+s.Lost[i]+s.Unknown[i])
	}
	y := scale{lo: 0, hi: float64(most), a: 0, b: height}
	floor := top + height
	for _, t := range ticks(0, float64(most), 3) {
		p.line("ax", Point{gutter, floor - y.at(t)}, Point{rightEdge, floor - y.at(t)})
		p.text("sft", gutter-8, floor-y.at(t)+4, End, group1000(t))
	}
	parts := []struct {
		class, name string
		counts      []int32
		rects       []Rect
		total       int64
	}{{class: "good", name: "kept", counts: s.Kept}, {class: "unk", name: "unknown", counts: s.Unknown}, {class: "bad", name: "lost", counts: s.Lost}}
	for i := range n {
		left := x.at(lo + step*float64(i))
		width := max(.8, x.at(lo+step*float64(i+1))-left)
		used := 0.0
		for k := range parts {
			count := parts[k].counts[i]
			if count == 0 {
				continue
			}
			h := y.at(float64(count))
			if parts[k].class == "bad" {
				h = max(h, least)
			}
			parts[k].total += int64(count)
			parts[k].rects = append(parts[k].rects, Rect{left, floor - used - h, width, h})
			used += h
		}
	}
	at := gutter
	for _, part := range parts {
		title := fmt.Sprintf("%s: %s", part.name, group1000(float64(part.total)))
		p.add(Shape{Class: part.class, Title: title, Rects: part.rects})
		p.rect(part.class, Rect{at, floor + 40, 10, 10}, "")
		p.text("sft", at+14, floor+49, Start, title)
		p.Desc += title + ". "
		at += 150
	}
	var copies []Rect
	total := int64(0)
	for i, count := range s.Duplicates[:n] {
		if count > 0 {
			left := x.at(lo + step*float64(i))
			copies = append(copies, Rect{left, floor + 4, max(2, x.at(lo+step*float64(i+1))-left), 6})
			total += int64(count)
		}
	}
	if total > 0 {
		title := fmt.Sprintf("further copies: %s", group1000(float64(total)))
		p.add(Shape{Class: "late", Title: title, Rects: copies})
		p.rect("late", Rect{at, floor + 40, 10, 10}, "")
		p.text("sft", at+14, floor+49, Start, title)
		p.Desc += title + ". "
	}
	if lo <= 0 && x.hi >= 0 {
		p.line("zero", Point{x.at(0), top}, Point{x.at(0), floor + 10})
	}
	for _, t := range ticks(x.lo, x.hi, 10) {
		p.text("sft", x.at(t), floor+24, Middle, tickSeconds(t))
	}
	p.text("sft", gutter-8, floor+24, End, "s from t0")
	p.H = floor + 56
	return p
}
