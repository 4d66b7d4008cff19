package draw

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// PNG renders the picture in the light palette, zoom pixels a unit, for places
// that show no SVG (chat, mail). Rasteriser and fonts are those of
// golang.org/x/image: pure Go, no browser, the same bytes on every machine.
func (p *Picture) PNG(zoom float64) ([]byte, error) {
	if !(zoom > 0) || p.W*zoom > 1<<14 || p.H*zoom > 1<<14 {
		return nil, fmt.Errorf("draw %s: a picture of %g x %g times %g has no useful size", p.Title, p.W, p.H, zoom)
	}
	img := image.NewRGBA(image.Rect(0, 0, int(math.Ceil(p.W*zoom)), int(math.Ceil(p.H*zoom))))
	c := &canvas{img: img, zoom: zoom, faces: map[faceKey]font.Face{}}
	c.fill(color.RGBA{255, 255, 255, 255}, []Point{{0, 0}, {p.W, 0}, {p.W, p.H}, {0, p.H}})
	for i := range p.Shapes {
		if err := c.shape(&p.Shapes[i]); err != nil {
			return nil, fmt.Errorf("draw %s: %w", p.Title, err)
		}
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("encode %s: %w", p.Title, err)
	}
	return b.Bytes(), nil
}

type faceKey struct {
	size float64
	bold bool
}

type canvas struct {
	img   *image.RGBA
	zoom  float64
	faces map[faceKey]font.Face
}

func (c *canvas) shape(s *Shape) error {
	st, ok := styleOf(s.Class)
	if s.Class == hatch {
		c.hatch(s)
		return nil
	}
	if !ok {
		return fmt.Errorf("class %q has no style", s.Class)
	}
	if st.fill != "" {
		ink := paint(st.fill, st.opacity)
		for _, r := range s.Rects {
			c.fill(ink, corners(r))
		}
		c.fill(ink, s.Areas...)
	}
	if st.stroke != "" {
		ink := paint(st.stroke, 0)
		for _, l := range s.Lines {
			c.stroke(ink, l, st.width, dashes(st.dash))
		}
	}
	for _, l := range s.Labels {
		if err := c.label(paint(st.fill, 0), l, st.size, st.bold); err != nil {
			return err
		}
	}
	return nil
}

func corners(r Rect) []Point {
	return []Point{{r.X, r.Y}, {r.X + r.W, r.Y}, {r.X + r.W, r.Y + r.H}, {r.X, r.Y + r.H}}
}

// fill fills polygons by the non-zero rule, with antialiased edges. The
// rasteriser covers only the polygons' bounds, which keeps small ones cheap.
func (c *canvas) fill(ink color.RGBA, polygons ...[]Point) {
	lo, hi := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	for _, poly := range polygons {
		for _, p := range poly {
			lo, hi = Point{min(lo.X, p.X), min(lo.Y, p.Y)}, Point{max(hi.X, p.X), max(hi.Y, p.Y)}
		}
	}
	bounds := image.Rect(int(math.Floor(lo.X*c.zoom)), int(math.Floor(lo.Y*c.zoom)), int(math.Ceil(hi.X*c.zoom)), int(math.Ceil(hi.Y*c.zoom))).Intersect(c.img.Bounds())
	if bounds.Empty() || math.IsInf(lo.X, 0) {
		return
	}
	r := vector.NewRasterizer(bounds.Dx(), bounds.Dy())
	at := func(p Point) (float32, float32) {
		return float32(p.X*c.zoom - float64(bounds.Min.X)), float32(p.Y*c.zoom - float64(bounds.Min.Y))
	}
	for _, poly := range polygons {
		for i, p := range poly {
			if x, y := at(p); i == 0 {
				r.MoveTo(x, y)
			} else {
				r.LineTo(x, y)
			}
		}
		r.ClosePath()
	}
	r.Draw(c.img, bounds, image.NewUniform(ink), image.Point{})
}

// stroke fills a quad a segment, lengthened by half the width so that the
// joints close.
func (c *canvas) stroke(ink color.RGBA, line []Point, w float64, dash []float64) {
	var quads [][]Point
	left, on, n := 0.0, true, 0
	if len(dash) > 0 {
		left = dash[0]
	}
	for i := 1; i < len(line); i++ {
		a, b := line[i-1], line[i]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		if length == 0 {
			continue
		}
		ux, uy := (b.X-a.X)/length, (b.Y-a.Y)/length
		for done := 0.0; done < length; {
			step := length - done
			if len(dash) > 0 {
				step = min(step, left)
			}
			if on {
				p, q := Point{a.X + ux*done, a.Y + uy*done}, Point{a.X + ux*(done+step), a.Y + uy*(done+step)}
				quads = append(quads, quad(p, q, ux, uy, w, len(dash) == 0))
			}
			done += step
			if len(dash) > 0 {
				if left -= step; left <= 1e-9 {
					n++
					left, on = dash[n%len(dash)], !on
				}
			}
		}
	}
	for _, q := range quads {
		c.fill(ink, q)
	}
}

func quad(p, q Point, ux, uy, w float64, extend bool) []Point {
	e := 0.0
	if extend {
		e = w / 2
	}
	dx, dy, nx, ny := ux*e, uy*e, -uy*w/2, ux*w/2
	return []Point{{p.X - dx + nx, p.Y - dy + ny}, {q.X + dx + nx, q.Y + dy + ny}, {q.X + dx - nx, q.Y + dy - ny}, {p.X - dx - nx, p.Y - dy - ny}}
}

// hatch draws diagonal lines inside the shape's rectangles.
func (c *canvas) hatch(s *Shape) {
	ink := paint("grey", 0)
	for _, r := range s.Rects {
		for at := -r.H; at < r.W; at += 7 {
			x0, x1 := max(at, 0), min(at+r.H, r.W)
			if x1 > x0 {
				c.stroke(ink, []Point{{r.X + x0, r.Y + r.H - (x0 - at)}, {r.X + x1, r.Y + r.H - (x1 - at)}}, 1.2, nil)
			}
		}
	}
}

// fonts are parsed once: they are compiled in and never change.
var fonts = sync.OnceValues(func() ([2]*opentype.Font, error) {
	var out [2]*opentype.Font
	for i, ttf := range [][]byte{goregular.TTF, gobold.TTF} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			return out, fmt.Errorf("parse font: %w", err)
		}
		out[i] = f
	}
	return out, nil
})

func (c *canvas) label(ink color.RGBA, l Label, size float64, bold bool) error {
	key := faceKey{size, bold}
	face, ok := c.faces[key]
	if !ok {
		both, err := fonts()
		if err != nil {
			return err
		}
		f := both[0]
		if bold {
			f = both[1]
		}
		if face, err = opentype.NewFace(f, &opentype.FaceOptions{Size: size * c.zoom, DPI: 72, Hinting: font.HintingNone}); err != nil {
			return fmt.Errorf("scale font: %w", err)
		}
		c.faces[key] = face
	}
	d := font.Drawer{Dst: c.img, Src: image.NewUniform(ink), Face: face}
	x := l.At.X * c.zoom
	switch w := float64(d.MeasureString(l.Text)) / 64; l.Anchor {
	case Middle:
		x -= w / 2
	case End:
		x -= w
	}
	d.Dot = fixed.Point26_6{X: fixed.Int26_6(x * 64), Y: fixed.Int26_6(l.At.Y * c.zoom * 64)}
	d.DrawString(l.Text)
	return nil
}

// paint returns a palette colour, premultiplied.
func paint(name string, opacity float64) color.RGBA {
	if opacity == 0 {
		opacity = 1
	}
	for _, c := range colors {
		if c.name == name {
			v, err := strconv.ParseUint(strings.TrimPrefix(c.light, "#"), 16, 32)
			if err != nil {
				panic("palette colour " + c.light) // a typing error in the palette; the tests draw every class
			}
			part := func(shift uint) uint8 { return uint8(float64(v>>shift&0xff) * opacity) }
			return color.RGBA{part(16), part(8), part(0), uint8(255 * opacity)}
		}
	}
	panic("no palette colour " + name)
}

func dashes(s string) []float64 {
	var out []float64
	for _, f := range strings.Fields(s) {
		if v, err := strconv.ParseFloat(f, 64); err == nil && v > 0 {
			out = append(out, v)
		}
	}
	return out
}
