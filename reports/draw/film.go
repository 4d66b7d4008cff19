package draw

import (
	"fmt"
	"math"
	"strings"

	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/record"
)

// FilmOptions says how a film is drawn.
type FilmOptions struct {
	Link  string // prefix of the links of ticks, such as "index.html"; ticks link to Link#event-N
	Links bool   // whether ticks are links
	// Small halves the bytes: the control lane, the range and p50 are joined
	// over a few bins (keeping extremes); p99 and every bad operation stay.
	Small bool
}

const (
	filmWidth  = 960.0
	gutter     = 118.0 // labels left of the plots
	rightEdge  = filmWidth - 10
	laneHeight = 15.0
	nodeHeight = 13.0
)

// Film draws the failover film: fault band with its proof, what each node
// believed, good and bad operations a lane, latency by intended time and
// throughput, all on one axis that is zero at t0.
//
//	t0 t2 t3 t4 t5          pins, through all rows
//	fault   ▐▒▒▒▒▒▒▒▒▒▒     proof bracket, band
//	r1      ████──────      who believes itself primary
//	writes  ░░░░▓▓▓░░░░     good, late, failed, unknown
//	latency ____/^^\____    p50, p99 (log), min..max, control
//	rate    ‾‾‾‾\__/‾‾‾‾    good operations a second
func Film(f *film.Film, o FilmOptions) *Picture {
	p := &Picture{W: filmWidth, Title: "Failover film of " + f.Scenario, Desc: describe(f)}
	d := &filmDrawing{Picture: p, f: f, opt: o}
	if f.Bins == 0 {
		p.H = 40
		p.text("sft", gutter, 24, Start, "nothing was recorded")
		return p
	}
	d.x = scale{lo: f.Seconds(f.From), hi: f.Seconds(f.To()), a: gutter, b: rightEdge}
	top := d.pinRows()
	d.y = top
	d.faultRows()
	d.nodeRows()
	d.overlapRow()
	d.laneRows()
	d.lostRow()
	d.latencyPlot()
	d.ratePlot()
	d.eventRow()
	d.axis()
	d.pinLines(top)
	d.tint(top)
	p.H = d.y + 6
	return p
}

type filmDrawing struct {
	*Picture
	f   *film.Film
	opt FilmOptions
	x   scale
	y   float64
}

func (d *filmDrawing) place(t record.Time) float64 { return d.x.at(d.f.Seconds(t)) }

func (d *filmDrawing) inside(t record.Time) bool { return t >= d.f.From && t <= d.f.To() }

func describe(f *film.Film) string {
	var b strings.Builder
	for _, band := range f.Bands {
		fmt.Fprintf(&b, "%s on %s at %s. ", band.Name, band.Node, Seconds(f.Seconds(band.Begin.After)))
	}
	for _, p := range f.Pins {
		if !p.Failback {
			fmt.Fprintf(&b, "%s %s at %s. ", p.Label, p.Text, Seconds(f.Seconds(p.At)))
		}
	}
	for i := range f.Lanes {
		bad := int64(0)
		for j := range f.Lanes[i].Good {
			bad += int64(f.Lanes[i].Bad(j))
		}
		fmt.Fprintf(&b, "Lane %s: %d bad operations. ", f.Lanes[i].Name, bad)
	}
	return strings.TrimSpace(b.String())
}

// pinRows places the labels of t0..t7 in as many rows as they need and
// returns the place below them.
func (d *filmDrawing) pinRows() float64 {
	const row, size = 13.0, 11.0
	var ends []float64
	for _, p := range merged(d) {
		x, w := d.place(p.at), width(p.label, size)+6
		left := min(max(x-w/2, gutter-20), rightEdge+10-w)
		level := 0
		for level < len(ends) && ends[level] > left {
			level++
		}
		if level == len(ends) {
			ends = append(ends, 0)
		}
		ends[level] = left + w
		class := "txb"
		if p.failback {
			class = "sft"
		}
		d.add(Shape{Class: class, Title: p.title, Labels: []Label{{Point{left + w/2, 11 + row*float64(level)}, p.label, Middle}}})
	}
	return 8 + row*float64(max(1, len(ends)))
}

type pin struct {
	at       record.Time
	label    string
	title    string
	failback bool
}

// merged joins pins that would stand within the same three units.
func merged(d *filmDrawing) []pin {
	var out []pin
	for _, p := range d.f.Pins {
		if !d.inside(p.At) {
			continue
		}
		title := fmt.Sprintf("%s %s: %s", p.Label, p.Text, Seconds(d.f.Seconds(p.At)))
		if n := len(out); n > 0 && out[n-1].failback == p.Failback && d.place(p.At)-d.place(out[n-1].at) < 3 {
			out[n-1].label += " " + p.Label
			out[n-1].title += "; " + title
			continue
		}
		out = append(out, pin{p.At, p.Label, title, p.Failback})
	}
	return out
}

func (d *filmDrawing) pinLines(top float64) {
	pins, back := Shape{Class: "pin"}, Shape{Class: "pnb"}
	for _, p := range merged(d) {
		x := d.place(p.at)
		line := []Point{{x, top - 3}, {x, d.y - 16}}
		if p.failback {
			back.Lines = append(back.Lines, line)
		} else {
			pins.Lines = append(pins.Lines, line)
		}
	}
	d.add(pins, back)
}

// tint lays the faults' time under all rows.
func (d *filmDrawing) tint(top float64) {
	var rs []Rect
	for _, b := range d.f.Bands {
		from, to := d.place(b.Begin.After), rightEdge
		if b.End.After != record.Never {
			to = d.place(b.End.After)
		}
		if to > from && b.Begin.After <= d.f.To() {
			rs = append(rs, Rect{from, top, to - from, d.y - top - 18})
		}
	}
	if len(rs) > 0 {
		d.Shapes = append([]Shape{{Class: "tint", Rects: rs}}, d.Shapes...)
	}
}

// row writes a label in the gutter and moves on.
func (d *filmDrawing) row(label, class string, height float64) (y float64) {
	y = d.y
	d.text(class, gutter-8, y+height-3.5, End, shorten(label, gutter-12, 10.5))
	d.y += height + 3
	return y
}

// faultRows draws each fault's band; the dark piece at its start spans from
// "last seen not effective" to "first seen effective".
func (d *filmDrawing) faultRows() {
	for _, b := range d.f.Bands {
		if b.Begin.Before > d.f.To() || (b.End.After != record.Never && b.End.After < d.f.From) {
			continue // outside a close-up
		}
		y := d.row(b.Name, "hot", 12)
		from, to := d.place(b.Begin.After), rightEdge
		title := fmt.Sprintf("%s on %s, effective between %s and %s", b.Name, b.Node,
			Seconds(d.f.Seconds(b.Begin.Before)), Seconds(d.f.Seconds(b.Begin.After)))
		if b.End.After != record.Never {
			to = d.place(b.End.After)
			title += fmt.Sprintf(", healed between %s and %s", Seconds(d.f.Seconds(b.End.Before)), Seconds(d.f.Seconds(b.End.After)))
		} else {
			title += ", not healed while filmed"
		}
		if b.How != "" {
			title += "; seen by " + b.How
		}
		class := "band"
		if !b.Proven {
			class, title = hatch, title+"; NOT PROVEN"
		}
		d.rect(class, Rect{from, y, max(1.5, to-from), 12}, title)
		for _, br := range []record.Bracket{b.Begin, b.End} {
			if br.Before != record.Never && d.inside(br.After) {
				l, r := d.place(br.Before), d.place(br.After)
				d.rect("prf", Rect{l, y - 1, max(1.5, r-l), 14}, "")
			}
		}
		label := b.Node
		if !b.Proven {
			label += " (not proven)"
		}
		if w := width(label, 10.5) + 8; to-from > w && b.Proven {
			d.text("wht", to-5, y+9.5, End, label)
		} else if to+w < rightEdge {
			d.text("sft", to+5, y+9.5, Start, label)
		} else {
			d.text("sft", from-5, y+9.5, End, label)
		}
	}
	if len(d.f.Bands) > 0 {
		d.y += 4
	}
}

func (d *filmDrawing) nodeRows() {
	for _, n := range d.f.Nodes {
		y := d.row(n.Name, "sft", nodeHeight)
		for _, s := range n.Spans {
			class := "oth"
			switch s.Role {
			case "primary", "leader", "owner":
				class = "own"
			case "replica", "follower", "secondary", "backup", "standby", "arbiter", "proxy":
				class = "rep"
			case "down":
				class = hatch
			}
			l, r := d.place(s.From), d.place(s.To)
			title := fmt.Sprintf("%s believes itself %s", n.Name, s.Role)
			label := s.Role
			if s.Role == "down" {
				title = n.Name + " is down"
			} else if s.Text != "" && s.Text != n.Name {
				title += ", primary is " + s.Text
				label += " → " + s.Text
			}
			title += fmt.Sprintf(" (%s to %s)", Seconds(d.f.Seconds(s.From)), Seconds(d.f.Seconds(s.To)))
			d.rect(class, Rect{l, y, max(1, r-l-.5), nodeHeight}, title)
			if width(label, 10.5)+8 < r-l && s.Role != "down" {
				ink := "sft"
				if class == "own" {
					ink = "wht"
				}
				d.text(ink, l+5, y+nodeHeight-3, Start, label)
			}
		}
	}
	if len(d.f.Nodes) > 0 {
		d.y += 4
	}
}

func (d *filmDrawing) overlapRow() {
	if len(d.f.Overlaps) == 0 {
		return
	}
	y := d.row("two owners", "hot", 10)
	for _, s := range d.f.Overlaps {
		if s.From > d.f.To() || s.To < d.f.From {
			continue
		}
		l, r := d.place(s.From), d.place(s.To)
		d.rect("bad", Rect{l, y, max(2, r-l), 9}, fmt.Sprintf("two nodes believe themselves primary for %s", Seconds(s.To.Sub(s.From).Seconds())))
	}
}

// laneRows draws the raster: how much of each bin went wrong and how, from
// the bottom up; a single bad operation is still three units high.
func (d *filmDrawing) laneRows() {
	for i := range d.f.Lanes {
		l := &d.f.Lanes[i]
		label := l.Name
		if l.Control {
			label += " (control)"
		}
		y := d.row(label, "txt", laneHeight)
		var good, late, failed, unknown []Rect
		group := d.groupOf(l)
		w := (rightEdge - gutter) / float64(d.f.Bins)
		unit := w
		w *= float64(group)
		for j := 0; j < d.f.Bins; j += group {
			var c [4]int32 // good, late, failed, unknown
			for k := j; k < min(j+group, d.f.Bins); k++ {
				c[0], c[1], c[2], c[3] = c[0]+l.Good[k], c[1]+l.Late[k], c[2]+l.Failed[k], c[3]+l.Unknown[k]
			}
			n := float64(c[0] + c[1] + c[2] + c[3])
			if n == 0 {
				continue
			}
			x := gutter + unit*float64(j)
			w := min(w, rightEdge-x)
			good = extend(good, Rect{x, y, w, laneHeight})
			bottom := y + laneHeight
			for _, k := range []struct {
				to *[]Rect
				n  int32
			}{{&failed, c[2]}, {&unknown, c[3]}, {&late, c[1]}} {
				if k.n == 0 {
					continue
				}
				h := math.Ceil(max(3, laneHeight*float64(k.n)/n))
				h = min(h, bottom-y)
				bottom -= h
				*k.to = extend(*k.to, Rect{x, bottom, max(w, 1.2), h})
			}
		}
		d.add(Shape{Class: "good", Rects: good}, Shape{Class: "late", Rects: late, Title: l.Name + ": too late"},
			Shape{Class: "unk", Rects: unknown, Title: l.Name + ": outcome unknown"},
			Shape{Class: "bad", Rects: failed, Title: l.Name + ": failed"})
	}
	d.y += 6
}

// groupOf joins so many bins that each holds an operation or two when the
// lane keeps its rate: a slow lane must not look like one with gaps.
func (d *filmDrawing) groupOf(l *film.Lane) int {
	if l.Rate <= 0 {
		return 1
	}
	return min(max(1, int(math.Ceil(1.2/(l.Rate*d.f.StepSeconds())))), max(1, d.f.Bins/20))
}

// lostRow marks when the first lost writes had been acknowledged.
func (d *filmDrawing) lostRow() {
	if d.f.LostTotal == 0 {
		return
	}
	d.y -= 6
	y := d.row(fmt.Sprintf("lost: %s", group1000(float64(d.f.LostTotal))), "hot", 11)
	var marks [][]Point
	for _, t := range d.f.Lost {
		if x := d.place(t); d.inside(t) {
			marks = append(marks, []Point{{x, y}, {x, y + 10}})
		}
	}
	d.add(Shape{Class: "err", Lines: marks, Title: fmt.Sprintf("acknowledgements of the first %d lost writes", len(d.f.Lost))})
	d.y += 6
}

// extend appends a rectangle, joined with the last one when they touch and
// have the same height: long quiet stretches become one rectangle.
func extend(rs []Rect, r Rect) []Rect {
	if n := len(rs); n > 0 {
		last := &rs[n-1]
		if last.Y == r.Y && last.H == r.H && math.Abs(last.X+last.W-r.X) < .3 {
			last.W = r.X + r.W - last.X
			return rs
		}
	}
	return append(rs, r)
}

// axis draws the time axis with its ticks.
func (d *filmDrawing) axis() {
	y := d.y
	d.line("ax", Point{gutter, y}, Point{rightEdge, y})
	var marks [][]Point
	for _, t := range ticks(d.x.lo, d.x.hi, 10) {
		x := d.x.at(t)
		marks = append(marks, []Point{{x, y}, {x, y + 4}})
		if x > gutter+14 || t == 0 { // the unit stands there
			d.text("sft", x, y+15, Middle, tickSeconds(t))
		}
	}
	d.add(Shape{Class: "ax", Lines: marks})
	unit := "s"
	if d.f.HasT0 {
		unit = "s from t0"
	}
	d.text("sft", gutter-8, y+15, End, unit)
	d.y += 18
}

// FilmSpan returns the places of the axis' two ends, for a reading line.
func FilmSpan() (left, right float64) { return gutter, rightEdge }
