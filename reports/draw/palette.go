package draw

import (
	"fmt"
	"strings"
)

// hue is one named colour in light and in dark. The hues are those of Okabe
// and Ito ("Color Universal Design", 2008), which readers with any common
// colour vision deficiency tell apart; nothing is told by hue alone.
type hue struct{ name, light, dark string }

var colors = []hue{
	{"paper", "#ffffff", "#15181c"},
	{"raised", "#f6f7f9", "#1c2026"},
	{"rule", "#dfe3e8", "#2e343c"},
	{"ink", "#1a1f26", "#e8eaed"},
	{"soft", "#5a6472", "#9ba5b1"},
	{"blue", "#0072b2", "#56a9e0"},
	{"sky", "#b9d7ea", "#2c4a60"},
	{"pale", "#dde9f1", "#22313d"},
	{"bad", "#d55e00", "#f0813a"},
	{"late", "#e69f00", "#e8b23f"},
	{"unknown", "#aa6a94", "#cf8fbb"},
	{"fault", "#d55e00", "#f0813a"},
	{"green", "#00795a", "#35b796"},
	{"grey", "#aab2bc", "#5d6772"},
}

// style is the look of one class; fill and stroke name colours.
type style struct {
	class, fill, stroke string
	width               float64
	dash                string
	opacity             float64 // of the fill; 0 means 1
	size                float64 // font size of labels
	bold                bool
}

var styles = []style{
	{class: "txt", fill: "ink", size: 11},
	{class: "txb", fill: "ink", size: 11, bold: true},
	{class: "sft", fill: "soft", size: 10.5},
	{class: "big", fill: "ink", size: 13, bold: true},
	{class: "wht", fill: "paper", size: 10.5, bold: true},
	{class: "hot", fill: "bad", size: 11, bold: true},
	{class: "bg", fill: "raised"},
	{class: "ax", stroke: "rule", width: 1},
	{class: "zero", stroke: "soft", width: 1},
	{class: "good", fill: "sky"},
	{class: "late", fill: "late"},
	{class: "bad", fill: "bad"},
	{class: "unk", fill: "unknown"},
	{class: "own", fill: "blue"},
	{class: "rep", fill: "pale"},
	{class: "oth", fill: "grey", opacity: .5},
	{class: "tint", fill: "fault", opacity: .09},
	{class: "band", fill: "fault", opacity: .8},
	{class: "prf", fill: "ink"},
	{class: "pin", stroke: "soft", width: 1, dash: "2 3"},
	{class: "pnb", stroke: "grey", width: 1, dash: "1 4"},
	{class: "tick", stroke: "soft", width: 1.5},
	{class: "err", stroke: "bad", width: 2},
	{class: "slo", stroke: "bad", width: 1, dash: "5 3"},
	{class: "p99", stroke: "blue", width: 1.6},
	{class: "p50", stroke: "ink", width: 1.1},
	{class: "mm", fill: "blue", opacity: .13},
	{class: "ctl", stroke: "grey", width: 1},
	{class: "thr", stroke: "soft", width: 1, dash: "4 3"},
	{class: "gput", fill: "sky"},
	{class: "s1", fill: "bad"},
	{class: "s2", fill: "late"},
	{class: "s3", fill: "blue"},
	{class: "s4", fill: "grey"},
	{class: "ln", stroke: "ink", width: 1.4},
	{class: "bl", stroke: "blue", width: 2},
	{class: "wrs", stroke: "bad", width: 2},
	{class: "btr", stroke: "green", width: 2},
	{class: "sml", stroke: "grey", width: 2},
	{class: "dot", fill: "blue"},
	{class: "dtb", fill: "bad"},
	{class: "dto", fill: "grey"},
}

// hatch is the class drawn as diagonal lines: not measured, not alive.
const hatch = "hat"

// CSS returns the palette and the classes as a style sheet for light, dark
// and print.
func CSS() string {
	var b strings.Builder
	vars := func(dark bool) string {
		var v strings.Builder
		for _, c := range colors {
			hex := c.light
			if dark {
				hex = c.dark
			}
			v.WriteString("--" + c.name + ":" + hex + ";")
		}
		return v.String()
	}
	b.WriteString(":root{color-scheme:light dark;" + vars(false) + "}")
	b.WriteString("@media screen and (prefers-color-scheme:dark){:root{" + vars(true) + "}}")
	b.WriteString("svg text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-variant-numeric:tabular-nums}")
	for _, s := range styles {
		decl := ""
		switch {
		case s.fill != "":
			decl = "fill:var(--" + s.fill + ");"
			if s.opacity > 0 {
				decl += fmt.Sprintf("fill-opacity:%g;", s.opacity)
			}
		default:
			decl = fmt.Sprintf("fill:none;stroke:var(--%s);stroke-width:%g;stroke-linejoin:round;", s.stroke, s.width)
			if s.dash != "" {
				decl += "stroke-dasharray:" + s.dash + ";"
			}
		}
		if s.size > 0 {
			decl += fmt.Sprintf("font-size:%gpx;", s.size)
		}
		if s.bold {
			decl += "font-weight:600;"
		}
		b.WriteString("svg ." + s.class + "{" + decl + "}")
	}
	b.WriteString("svg .txt{paint-order:stroke;stroke:var(--paper);stroke-width:2px;stroke-opacity:.8}svg .m{text-anchor:middle}svg .e{text-anchor:end}")
	b.WriteString("svg ." + hatch + "{fill:url(#hatch)}#hatch path{stroke:var(--grey)}svg a:hover path,svg a:focus path{stroke:var(--ink);stroke-width:2.5}")
	return b.String()
}

// Defs returns the patterns that the classes refer to; a page carries it once.
func Defs() string {
	return `<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0v5" stroke-width="2"/></pattern></defs>`
}

func styleOf(class string) (style, bool) {
	for _, s := range styles {
		if s.class == class {
			return s, true
		}
	}
	return style{}, false
}
