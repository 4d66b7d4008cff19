package reports

import (
	"bytes"
	"fmt"
	"html/template"

	"github.com/hadrill/hadrill/reports/draw"
)

type sweepPage struct {
	Title  string
	Sweeps []sweepView
}

type sweepView struct {
	Card     *SweepCard
	ID       string
	Sentence string
	Chart    template.HTML
	Columns  []string
	Rows     []sweepRow
}

type sweepRow struct {
	Mark    *SweepMark
	Cells   []sweepCell
	Verdict string
}

type sweepCell struct{ Text, Range string }

// SweepPage returns the page of sweeps as a single HTML file.
func SweepPage(cards []*SweepCard) ([]byte, error) {
	p := sweepPage{Title: "What settings cost"}
	for i, c := range cards {
		p.Sweeps = append(p.Sweeps, sweepView{
			Card: c, ID: fmt.Sprintf("sweep-%d", i+1), Sentence: c.Sentence(), Chart: template.HTML(c.Chart().Inline()),
			Columns: c.columns(), Rows: c.rows(),
		})
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "sweep.html", p); err != nil {
		return nil, fmt.Errorf("sweep page: %w", err)
	}
	return b.Bytes(), nil
}

// Chart draws recovery and latency over the setting.
func (c *SweepCard) Chart() *draw.Picture {
	k := draw.Knob{Name: c.Setting}
	for _, m := range c.Points {
		k.Labels = append(k.Labels, m.Label)
		if c.Unit != "" {
			k.At = append(k.At, m.Value)
		}
	}
	recovery := draw.Panel{Title: "time to recover (rto)", Clouds: []draw.Cloud{c.cloud("rto", "rto", "bl")}}
	if c.Price != nil {
		recovery.Slope, recovery.Intercept, recovery.HasLine = c.Price.PerSecond, c.Price.Fixed, true
	}
	latency := draw.Panel{Title: "latency, over the whole run", Log: true, Clouds: []draw.Cloud{
		c.cloud("latency.p99", "p99 of all operations", "wrs"),
		c.cloud("acknowledged.p99", "p99 of acknowledgements", "p99"),
		c.cloud("acknowledged.p50", "p50 of acknowledgements", "p50"),
	}}
	return draw.Sweep(k, []draw.Panel{recovery, latency}, draw.Seconds)
}

func (c *SweepCard) cloud(figure, name, class string) draw.Cloud {
	out := draw.Cloud{Name: name, Class: class}
	for i := range c.Points {
		var runs []draw.Sample
		if f := c.Points[i].figure(figure); f != nil {
			for k, v := range f.Values {
				runs = append(runs, draw.Sample{Value: v, Censored: f.Censored != nil && f.Censored[k]})
			}
		}
		out.Runs = append(out.Runs, runs)
	}
	return out
}

// columns are the figures that any point has.
func (c *SweepCard) columns() []string {
	var out []string
	for _, name := range sweepFigures {
		for i := range c.Points {
			if c.Points[i].figure(name) != nil {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

func (c *SweepCard) rows() []sweepRow {
	var out []sweepRow
	for i := range c.Points {
		m := &c.Points[i]
		row := sweepRow{Mark: m, Verdict: "not measured"}
		if m.Counted > 0 {
			row.Verdict = fmt.Sprintf("%d of %d kept", m.Passed, m.Counted)
		}
		for _, name := range c.columns() {
			cell := sweepCell{Text: "–"}
			if f := m.figure(name); f != nil {
				cell = sweepCell{f.Text(), f.Range()}
			}
			row.Cells = append(row.Cells, cell)
		}
		out = append(out, row)
	}
	return out
}

// Cells are the table of a sweep as text: a header, then a line a point.
func (c *SweepCard) Cells() [][]string {
	out := [][]string{append(append([]string{c.Setting}, c.columns()...), "runs", "promises")}
	for _, r := range c.rows() {
		line := []string{r.Mark.Label}
		for _, cell := range r.Cells {
			line = append(line, cell.Text)
		}
		out = append(out, append(line, fmt.Sprintf("%d of %d", r.Mark.Counted, len(r.Mark.Runs)+len(r.Mark.Broken)), r.Verdict))
	}
	return out
}
