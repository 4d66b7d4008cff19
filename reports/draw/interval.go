package draw

import "fmt"

// Interval draws a score on the scale of the letters: the mean, and the lower
// 95 % bound on which the letter stands.
func Interval(score, lower float64) *Picture {
	p := &Picture{W: 560, H: 44, Title: "Score and its bound", Desc: fmt.Sprintf("score %.0f, lower 95 %% bound %.0f, of 100", score, lower)}
	x := scale{lo: 0, hi: 100, a: 8, b: 552}
	p.rect("bg", Rect{8, 14, 544, 12}, "")
	for _, l := range []struct {
		from, to float64
		name     string
	}{{0, 60, "F"}, {60, 70, "D"}, {70, 80, "C"}, {80, 90, "B"}, {90, 100, "A"}} {
		p.line("ax", Point{x.at(l.from), 10}, Point{x.at(l.from), 30})
		p.text("sft", x.at((l.from+l.to)/2), 41, Middle, l.name)
	}
	l, r := x.at(lower), x.at(score)
	p.rect("rep", Rect{l, 14, max(2, r-l), 12}, fmt.Sprintf("lower 95 %% bound %.1f", lower))
	p.line("bl", Point{l, 12}, Point{l, 28})
	p.rect("prf", Rect{x.at(score) - 1.5, 11, 3, 18}, fmt.Sprintf("score %.1f", score))
	anchor := Middle
	if x.at(score) > 500 {
		anchor = End
	}
	p.text("txb", min(x.at(score), 552), 9, anchor, fmt.Sprintf("%.0f", score))
	return p
}

// Badge draws a label and a value, with colours of its own: it stands on
// pages that know nothing of the palette.
func Badge(label, value string, good bool) string {
	color := "#b34f00"
	if good {
		color = "#00664c"
	}
	const size = 11.0
	lw, vw := width(label, size)+16, width(value, size)+18
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="20" role="img" aria-label="%s: %s">`+
		`<rect width="%s" height="20" rx="3" fill="#3b434d"/><path fill="%s" d="M%s 0h%sa3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-%sz"/>`+
		`<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle"><text x="%s" y="14">%s</text><text x="%s" y="14" font-weight="bold">%s</text></g></svg>`,
		num(lw+vw), escape(label), escape(value), num(lw+vw), color, num(lw), num(vw-3), num(vw-3), num(lw/2), escape(label), num(lw+vw/2), escape(value))
}
