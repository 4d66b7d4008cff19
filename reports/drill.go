package reports

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/record"
)

// maxRunRows bounds a drill's table of runs, and maxStrips its small
// multiples; the worst stay.
const (
	maxRunRows = 6
	maxStrips  = 12
)

// rendered is a drill in three sizes: tables, with film, with everything.
type rendered struct{ lean, filmed, rich template.HTML }

type drillPage struct {
	ID, TwinID string
	Card       *ScenarioCard
	Badge      badge
	Brief      string
	Open       bool
	Film       *filmFigure
	Strips     template.HTML
	Stack      template.HTML
	Window     template.HTML
	Spectrum   template.HTML
	Goodput    template.HTML
	Findings   []record.Finding
	Runs       []drillRun
	More       int
	Command    string

	safe *ScenarioCard // that the drill is a twin of; nil: of none
}

type drillRun struct {
	Run           RunCard
	Folder, Label string
}

// makeDrills renders every scenario, the most harmful first.
func (p *suitePage) makeDrills(films func(ScenarioCard, int) *film.Film) ([]rendered, error) {
	cards := p.cards()
	ids := map[string]string{}
	for _, s := range cards {
		ids[s.Name] = s.id
	}
	slices.SortStableFunc(cards, func(a, b *ScenarioCard) int {
		return cmp.Or(-cmp.Compare(a.meaning(), b.meaning()), cmp.Compare(b2i(a.TwinOf != ""), b2i(b.TwinOf != "")))
	})
	var out []rendered
	for _, s := range cards {
		d := newDrill(s)
		if i := slices.IndexFunc(cards, func(c *ScenarioCard) bool { return c.Name == s.TwinOf }); i >= 0 {
			d.safe = cards[i]
		}
		d.TwinID = ids[s.TwinOf]
		lean, err := d.render()
		if err != nil {
			return nil, err
		}
		d.pictures(films)
		rich, err := d.render()
		if err != nil {
			return nil, err
		}
		d.Strips, d.Spectrum, d.Window = "", "", ""
		filmed, err := d.render()
		if err != nil {
			return nil, err
		}
		out = append(out, rendered{lean, filmed, rich})
	}
	return out, nil
}

func (d *drillPage) render() (template.HTML, error) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "drill", d); err != nil {
		return "", fmt.Errorf("drill of %s: %w", d.Card.Name, err)
	}
	return template.HTML(b.String()), nil
}

func newDrill(s *ScenarioCard) *drillPage {
	d := &drillPage{ID: s.id, Card: s, Badge: s.badge()}
	var brief []string
	for _, name := range []string{"rto", "lost", "availability.requests"} {
		if i := slices.IndexFunc(s.Objectives, func(o ObjectiveCard) bool { return o.Name == name }); i >= 0 {
			brief = append(brief, name+" "+s.Objectives[i].Text())
		}
	}
	if n := len(s.Runs); n > 1 {
		brief = append(brief, fmt.Sprintf("worst of %d", n))
	}
	d.Brief = strings.Join(brief, " · ")
	for _, i := range s.worstFirst() {
		if len(d.Runs) == maxRunRows {
			break
		}
		r := s.Runs[i]
		d.Runs = append(d.Runs, drillRun{r, r.Folder, "run " + strconv.Itoa(cmp.Or(r.Repeat, i+1))})
	}
	d.More = len(s.Runs) - len(d.Runs)
	if order := s.worstFirst(); len(order) > 0 {
		worst := s.results[order[0]]
		d.Command = worst.Command
		d.Findings = worst.Findings[:min(3, len(worst.Findings))]
	}
	return d
}

// worstFirst orders a scenario's runs: worst verdict, then longest recovery.
func (s *ScenarioCard) worstFirst() []int {
	order := make([]int, len(s.Runs))
	for i := range order {
		order[i] = i
	}
	rto := func(r RunCard) float64 {
		if r.RTO == nil {
			return -1
		}
		return *r.RTO + float64(b2i(r.Censored))*1e9
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(-cmp.Compare(s.Runs[a].Verdict, s.Runs[b].Verdict), -cmp.Compare(rto(s.Runs[a]), rto(s.Runs[b])))
	})
	return order
}

func (d *drillPage) pictures(films func(ScenarioCard, int) *film.Film) {
	s := d.Card
	order := s.worstFirst()
	if len(order) == 0 {
		return
	}
	worst := s.results[order[0]]
	slo := worst.Scenario.SLO
	if f := films(*s, order[0]); f != nil && f.Bins > 0 {
		left, right := draw.FilmSpan()
		title := "Film"
		if len(order) > 1 {
			title = fmt.Sprintf("Film of the worst of %d repetitions", len(order))
		}
		link := ""
		if folder := s.dirs[order[0]]; folder != "" {
			link = folder + "/index.html"
		}
		d.Film = &filmFigure{title, template.HTML(draw.Film(f, draw.FilmOptions{Links: link != "", Link: link, Small: true}).Inline()), f.Seconds(f.From), f.Seconds(f.To()), left, right}
		if len(f.Spectra) > 0 {
			d.Spectrum = template.HTML(draw.Spectrum(f.Spectra, slo.Latency.Seconds()).Inline())
		}
	}
	d.goodput(films)
	d.strips(films, order)
	d.stack(order)
	if curves := windowCurves(s, order); len(curves) > 0 {
		d.Window = template.HTML(draw.WorstWindow(curves, slo.Success).Inline())
	}
}

func (d *drillPage) strips(films func(ScenarioCard, int) *film.Film, order []int) {
	if len(order) < 2 {
		return
	}
	shown := slices.Sorted(slices.Values(order[:min(maxStrips, len(order))]))
	var fs []*film.Film
	var hrefs []string
	for _, i := range shown {
		if f := films(*d.Card, i); f != nil {
			fs = append(fs, f)
			href := ""
			if d.Card.dirs[i] != "" {
				href = d.Card.dirs[i] + "/index.html"
			}
			hrefs = append(hrefs, href)
		}
	}
	if len(fs) > 0 {
		d.Strips = template.HTML(draw.Strips(fs, hrefs).Inline())
	}
}

func (d *drillPage) stack(order []int) {
	if rows := d.Card.stacks(order); len(rows) > 0 {
		worst := d.Card.results[order[0]]
		d.Stack = template.HTML(draw.Recovery(rows, rtoTarget(worst), rtoLimit(worst)).Inline())
	}
}

// stacks splits the recoveries of the worst repetitions, in order of time.
func (s *ScenarioCard) stacks(order []int) []draw.Stack {
	var rows []draw.Stack
	for _, i := range slices.Sorted(slices.Values(order[:min(maxStrips, len(order))])) {
		for _, st := range stacks(s.results[i]) {
			if len(order) > 1 {
				st.Name = fmt.Sprintf("run %d: %s", cmp.Or(s.Runs[i].Repeat, i+1), st.Name)
			}
			rows = append(rows, st)
		}
	}
	return rows
}

// windowCurves reads the worst-window figures of each run; the worst run is
// drawn strong, the others grey.
func windowCurves(s *ScenarioCard, order []int) []draw.Curve {
	const prefix = "availability.worst_window."
	var out []draw.Curve
	for k, i := range order[:min(maxStrips, len(order))] {
		c := draw.Curve{Name: s.results[i].Run, Class: "ctl"}
		if k == 0 {
			c.Class = "p99"
		}
		type point struct{ w, v float64 }
		var pts []point
		for _, f := range s.results[i].Figures {
			if rest, ok := strings.CutPrefix(f.Name, prefix); ok && f.Lane == "" {
				if w, err := time.ParseDuration(rest); err == nil {
					pts = append(pts, point{w.Seconds(), f.Value})
				}
			}
		}
		slices.SortFunc(pts, func(a, b point) int { return cmp.Compare(a.w, b.w) })
		for _, p := range pts {
			c.X, c.Y = append(c.X, p.w), append(c.Y, p.v)
		}
		if len(pts) > 0 {
			out = append(out, c)
		}
	}
	slices.Reverse(out) // the worst last, on top
	return out
}
