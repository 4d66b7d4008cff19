package draw

import "fmt"

// Dumbbell is one objective, then and now, as medians with their intervals.
type Dumbbell struct {
	Name, Objective         string
	Was, Is                 float64
	WasRange, IsRange       [2]float64
	Higher                  bool // higher is better
	Worse, Better, Compared bool
	WasText, IsText, Reason string
}

// Dumbbells draws changes against a baseline: grey is then, colour is now.
// Each row has a scale of its own (units differ), turned so that worse is
// always to the right.
func Dumbbells(rows []Dumbbell) *Picture {
	const rowH, left, right = 30.0, 300.0, 620.0
	p := &Picture{W: filmWidth, Title: "Changes against the baseline"}
	p.text("sft", left, 12, Start, "← better")
	p.text("sft", right, 12, End, "worse →")
	y := 20.0
	for _, r := range rows {
		lo := min(r.WasRange[0], r.IsRange[0], r.Was, r.Is)
		hi := max(r.WasRange[1], r.IsRange[1], r.Was, r.Is)
		if pad := (hi - lo) * .08; pad > 0 {
			lo, hi = lo-pad, hi+pad
		} else {
			lo, hi = lo-1, hi+1
		}
		x := scale{lo: lo, hi: hi, a: left, b: right}
		if r.Higher {
			x.a, x.b = right, left
		}
		class, word, dot := "sml", "", "dot"
		switch {
		case r.Worse:
			class, dot = "wrs", "dtb"
		case r.Better:
			class, word = "btr", "better; "
		}
		mid := y + 14
		p.text("txt", left-14, mid-1, End, shorten(r.Name, left-24, 11))
		p.text("sft", left-14, mid+11, End, shorten(r.Objective, left-24, 10.5))
		p.line("ax", Point{left, mid}, Point{right, mid})
		p.whisker(x, mid-4, r.WasRange, "sml")
		p.whisker(x, mid+4, r.IsRange, class)
		a, b := x.at(r.Was), x.at(r.Is)
		p.line(class, Point{a, mid - 4}, Point{b, mid + 4})
		p.disc("dto", a, mid-4, "baseline: "+r.WasText)
		p.disc(dot, b, mid+4, "now: "+r.IsText)
		ink := "txt"
		if r.Worse {
			ink = "hot"
		}
		p.add(Shape{Class: ink, Title: r.Reason, Labels: []Label{{Point{right + 14, mid - 1}, fmt.Sprintf("%s → %s", r.WasText, r.IsText), Start}}})
		p.add(Shape{Class: "sft", Title: r.Reason, Labels: []Label{{Point{right + 14, mid + 11}, shorten(word+r.Reason, filmWidth-right-18, 10.5), Start}}})
		p.Desc += fmt.Sprintf("%s of %s: %s%s, from %s to %s. ", r.Objective, r.Name, word, r.Reason, r.WasText, r.IsText)
		y += rowH
	}
	p.H = y + 6
	return p
}

func (p *Picture) whisker(x scale, y float64, r [2]float64, class string) {
	a, b := x.at(r[0]), x.at(r[1])
	p.add(Shape{Class: class, Lines: [][]Point{{{a, y}, {b, y}}, {{a, y - 3}, {a, y + 3}}, {{b, y - 3}, {b, y + 3}}}})
}

// disc is a small octagon: a circle that a path can say.
func (p *Picture) disc(class string, x, y float64, title string) {
	const r, s = 4.4, 1.8
	p.add(Shape{Class: class, Title: title, Areas: [][]Point{{{x - s, y - r}, {x + s, y - r}, {x + r, y - s}, {x + r, y + s}, {x + s, y + r}, {x - s, y + r}, {x - r, y + s}, {x - r, y - s}}}})
}
