package reports

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/runner/record"
)

//go:embed templates
var files embed.FS

func asset(name string) string {
	b, err := files.ReadFile("templates/" + name)
	if err != nil {
		panic(fmt.Sprintf("read embedded %s: %v", name, err)) // it is compiled in: only a build can break it
	}
	return string(b)
}

// pages holds every template. The three unsafe conversions below carry text
// of ours alone: the style sheet, the script and draw's pattern. Pictures are
// escaped by draw.
var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"css":    func() template.CSS { return template.CSS(draw.CSS() + asset("style.css")) },
	"script": func() template.JS { return template.JS(asset("page.js")) },
	"defs": func() template.HTML {
		return template.HTML(`<svg width="0" height="0" style="position:absolute" aria-hidden="true">` + draw.Defs() + `</svg>`)
	},
	"seconds":  draw.Seconds,
	"secondsp": secondsOrDash,
	"percent":  percent,
	"count":    func(n int) string { return grouped(int64(n)) },
	"value":    Value,
	"measured": Measured,
	"target":   Target,
	"limit":    Limit,
	"badge":    badgeOf,
	"score":    scoreText,
	"join":     orNone,
	"duration": func(d time.Duration) string { return draw.Seconds(d.Seconds()) },
	"wall":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"bracket":  func(b record.Bracket) string { return draw.Seconds(b.After.Sub(b.Before).Seconds()) },
	"span":     func(a, b record.Time) string { return draw.Seconds(b.Sub(a).Seconds()) },
	"op":       operation,
	"lane":     func(p *runPage, op record.Op) string { return p.lane(op) },
}).ParseFS(files, "templates/*.html"))

// badge is a verdict as the reader sees it.
type badge struct{ Sign, Word, Class string }

func badgeOf(v record.Verdict) badge { return badge{symbol(v), v.String(), verdictClass(v)} }

func badgeOfRun(r *record.Result) badge {
	sign, word, class := outcome(r)
	if isTwin(r) && (word == "caught" || word == "missed") {
		word = "twin " + word
	}
	return badge{sign, word, class}
}

func scoreText(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f", *v)
}

func secondsOrDash(v *float64) string {
	if v == nil {
		return "–"
	}
	return draw.Seconds(*v)
}

// operation prints what an operation asked for: "write 7 = 42".
func operation(op record.Op) string {
	number := func(v int64) string {
		if v == record.Absent {
			return "absent"
		}
		return fmt.Sprint(v)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", op.Function, op.Key)
	switch op.Function {
	case record.Request:
	case record.ReadSet, record.ReadList:
		fmt.Fprintf(&b, " → %d elements", len(op.Values))
	case record.Read, record.Dequeue:
		b.WriteString(" → " + number(op.Value))
	case record.CompareAndSet:
		b.WriteString(": " + number(op.Expect) + " → " + number(op.Value))
	case record.Transaction:
		for _, m := range op.Micro {
			fmt.Fprintf(&b, "; %s %d %s", m.Function, m.Key, number(m.Value))
		}
	default:
		b.WriteString(" = " + number(op.Value))
	}
	return b.String()
}
