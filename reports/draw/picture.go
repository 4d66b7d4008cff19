// Package draw turns films and statistics into pictures. A picture is a short
// list of shapes with class names; what a class looks like is told once, in
// the palette, for light, dark and print. The same picture becomes SVG inside
// a page (readable without scripts), an SVG file of its own, or a PNG.
//
//	film ─▶ Film()     ┐
//	rto  ─▶ Recovery() ├─▶ Picture{shapes} ─▶ Inline  (class names; page brings the palette)
//	...  ─▶ ...        ┘                   ─▶ SVG     (palette inside)
//	                                       ─▶ PNG     (light palette)
//
// Coordinates are user units with y downwards, rounded to a tenth; shapes of
// the same class are joined into one path, which keeps a film at a few
// kilobytes. Nothing here reads a clock or a map in random order: the same
// input gives the same bytes.
package draw

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
)

// Point is a place in user units.
type Point struct{ X, Y float64 }

// Rect is an axis-parallel rectangle.
type Rect struct{ X, Y, W, H float64 }

// Label is a piece of text.
type Label struct {
	At     Point
	Text   string
	Anchor Anchor
}

// Anchor says which end of a label stands at its place.
type Anchor uint8

// The anchors.
const (
	Start Anchor = iota
	Middle
	End
)

// Shape is geometry with a class. Rects and Areas are filled, Lines are
// stroked, Labels are text.
type Shape struct {
	Class  string
	Rects  []Rect
	Areas  [][]Point
	Lines  [][]Point
	Labels []Label
	Title  string // shown on hover, read by screen readers
	Href   string // makes the shape a link
}

// Picture is what a reader sees.
type Picture struct {
	W, H   float64
	Title  string // one line; also the accessible name
	Desc   string // the accessible description: what the picture says, in words
	Shapes []Shape
}

func (p *Picture) add(s ...Shape) { p.Shapes = append(p.Shapes, s...) }

func (p *Picture) text(class string, x, y float64, a Anchor, s string) {
	p.add(Shape{Class: class, Labels: []Label{{Point{x, y}, s, a}}})
}

func (p *Picture) rect(class string, r Rect, title string) {
	p.add(Shape{Class: class, Rects: []Rect{r}, Title: title})
}

func (p *Picture) line(class string, pts ...Point) {
	p.add(Shape{Class: class, Lines: [][]Point{pts}})
}

// Inline returns the picture as an <svg> element for a page that carries CSS
// and Defs.
func (p *Picture) Inline() string { return p.render(false) }

// SVG returns the picture as a file of its own.
func (p *Picture) SVG() string { return p.render(true) }

func (p *Picture) render(alone bool) string {
	var b strings.Builder
	b.Grow(4096)
	b.WriteString(`<svg viewBox="0 0 ` + num(p.W) + " " + num(p.H) + `" role="img"`)
	if alone {
		b.WriteString(` xmlns="http://www.w3.org/2000/svg" width="` + num(p.W) + `" height="` + num(p.H) + `"`)
	}
	b.WriteString(` aria-label="` + escape(strings.TrimSpace(p.Title+". "+p.Desc)) + `">`)
	if alone {
		b.WriteString("<style>" + CSS() + "svg{background:var(--paper)}</style>" + Defs())
	}
	for i := range p.Shapes {
		p.Shapes[i].render(&b)
	}
	b.WriteString("</svg>")
	return b.String()
}

func (s *Shape) render(b *strings.Builder) {
	if s.Href != "" {
		b.WriteString(`<a href="` + escape(s.Href) + `">`)
	}
	if d := s.path(); d != "" {
		b.WriteString(`<path class="` + escape(s.Class) + `" d="` + d + `"`)
		if s.Title != "" {
			b.WriteString(`><title>` + escape(s.Title) + `</title></path>`)
		} else {
			b.WriteString(`/>`)
		}
	}
	for _, l := range s.Labels {
		anchor := [...]string{"", " m", " e"}[min(l.Anchor, End)]
		b.WriteString(`<text class="` + escape(s.Class) + anchor + `" x="` + num(l.At.X) + `" y="` + num(l.At.Y) + `">` + escape(l.Text))
		if s.Title != "" {
			b.WriteString(`<title>` + escape(s.Title) + `</title>`)
		}
		b.WriteString(`</text>`)
	}
	if s.Href != "" {
		b.WriteString(`</a>`)
	}
}

func (s *Shape) path() string {
	var b strings.Builder
	for _, r := range s.Rects {
		b.WriteString("M" + num(r.X) + " " + num(r.Y) + "h" + num(r.W) + "v" + num(r.H) + "h" + num(-r.W) + "z")
	}
	for _, a := range s.Areas {
		polyline(&b, a)
		b.WriteString("z")
	}
	for _, l := range s.Lines {
		polyline(&b, l)
	}
	return b.String()
}

// polyline writes relative steps, which are shorter than absolute places.
// Rounding is carried along, so it does not add up.
func polyline(b *strings.Builder, pts []Point) {
	var x, y float64
	for i, p := range pts {
		px, py := tenth(p.X), tenth(p.Y)
		switch {
		case i == 0:
			b.WriteString("M" + num(px) + " " + num(py))
		case py == y:
			b.WriteString("h" + num(px-x))
		case px == x:
			b.WriteString("v" + num(py-y))
		default:
			dy := num(py - y)
			b.WriteString("l" + num(px-x))
			if dy[0] != '-' {
				b.WriteString(" ")
			}
			b.WriteString(dy)
		}
		x, y = px, py
	}
}

func tenth(v float64) float64 { return math.Round(v*10) / 10 }

func num(v float64) string {
	s := strconv.FormatFloat(tenth(v), 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// escape makes any text safe inside XML and HTML; what XML cannot carry
// (control characters, broken UTF-8) becomes U+FFFD.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}

// width estimates the width of text in user units at the given size.
func width(s string, size float64) float64 { return .56 * size * float64(len([]rune(s))) }

// shorten cuts text to fit w user units.
func shorten(s string, w, size float64) string {
	r := []rune(s)
	if n := int(w / (.56 * size)); len(r) > n {
		return string(r[:max(0, n-1)]) + "…"
	}
	return s
}
