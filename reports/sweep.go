package reports

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// SweepFile is what WriteSweeps writes beside index.html: the same for machines.
const SweepFile = "sweep.json"

// SweepSchema is the version of SweepFile.
const SweepSchema = 1

// Sweep is one setting over a range, measured: what goes into a page.
type Sweep struct {
	Scenario, Setting, Unit, Doc string
	Command                      string // how to measure it again
	Points                       []SweepPoint
}

// SweepPoint is one place of the knob with its runs.
type SweepPoint struct {
	Label   string
	Value   float64          // in the sweep's unit; not read when that is ""
	Results []*record.Result // in order of repetition
	Folders []string         // each run's folder, as the process sees it
	Broken  []string         // why further runs could not be carried through
}

// SweepCard is a sweep as data, the figures of its page.
type SweepCard struct {
	Schema   int         `json:"schema"`
	Scenario string      `json:"scenario"`
	Setting  string      `json:"setting"`
	Unit     string      `json:"unit"` // "s", or "" for named choices
	Doc      string      `json:"doc"`
	Command  string      `json:"command"`
	Began    time.Time   `json:"began"`
	Price    *Price      `json:"price,omitempty"`
	Points   []SweepMark `json:"points"`
}

// Price is the line rto = Fixed + PerSecond*setting (Theil-Sen): what a second
// of the setting costs, and what no setting removes. It goes through the runs
// of the places at which every counted run recovered: how long it takes at the
// others is not known.
type Price struct {
	PerSecond float64 `json:"per_second"`
	Fixed     float64 `json:"fixed_s"`
	Runs      int     `json:"runs"`
}

// SweepMark is one place of the knob.
type SweepMark struct {
	Label    string        `json:"label"`
	Value    float64       `json:"value"`
	Scenario string        `json:"scenario"`
	Config   string        `json:"config"`
	Counted  int           `json:"counted"` // runs that stand in the figures
	Passed   int           `json:"passed"`  // counted runs that kept the point's promises
	Figures  []SweepFigure `json:"figures"`
	Runs     []SweepRun    `json:"runs"`
	Broken   []string      `json:"broken,omitempty"`
}

// SweepFigure is a figure over the counted runs of a point.
type SweepFigure struct {
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Median   float64   `json:"median"`
	Min      float64   `json:"min"`
	Max      float64   `json:"max"`
	Values   []float64 `json:"values"`             // by run, as counted
	Censored []bool    `json:"censored,omitempty"` // by run, where any value is a lower bound
}

// SweepRun is one run of a point.
type SweepRun struct {
	Run     string         `json:"run"`
	Folder  string         `json:"folder,omitempty"`
	Verdict record.Verdict `json:"verdict"`
	Reason  string         `json:"reason"`
	LeftOut string         `json:"left_out,omitempty"` // why it does not count
}

// sweepFigures are what a sweep compares, in the order of the page.
var sweepFigures = []string{
	"rto", "detect", "failover", "outage", "availability.requests",
	"acknowledged.p50", "acknowledged.p99", "latency.p99", "lost", "rpo.seconds", "split_brain", findings,
}

// findings are the violations that the checks of a run found, all of them
// together.
const findings = "findings"

// leftOut says why a run's figures do not count: what it measured was the
// machine, or nothing. A broken promise is no reason: it may be the price.
func leftOut(r *record.Result) string {
	switch {
	case r.Verdict != record.Pass && r.Verdict != record.Failed:
		return r.Verdict.String() + ": " + r.Reason
	case !r.Instrument.Quiet:
		return "the control lane was not quiet"
	case r.Instrument.Saturated:
		return "the load generator was saturated"
	}
	return ""
}

// Card derives the sweep's figures; dir is where the page will stand.
func (s Sweep) Card(dir string) *SweepCard {
	c := &SweepCard{Schema: SweepSchema, Scenario: s.Scenario, Setting: s.Setting, Unit: s.Unit, Doc: s.Doc, Command: s.Command, Points: []SweepMark{}}
	var x, y []float64
	for _, p := range s.Points {
		m := SweepMark{Label: p.Label, Value: p.Value, Broken: p.Broken, Runs: []SweepRun{}, Figures: []SweepFigure{}}
		var counted []*record.Result
		for i, r := range p.Results {
			run := SweepRun{Run: r.Run, Verdict: r.Verdict, Reason: r.Reason, LeftOut: leftOut(r)}
			if i < len(p.Folders) && p.Folders[i] != "" {
				run.Folder = relative(dir, p.Folders[i])
			}
			m.Runs = append(m.Runs, run)
			m.Scenario, m.Config = r.Scenario.Name, r.Scenario.Config
			if c.Began.IsZero() || r.WallStart.Before(c.Began) {
				c.Began = r.WallStart
			}
			if run.LeftOut != "" {
				continue
			}
			counted = append(counted, r)
			if r.Verdict == record.Pass {
				m.Passed++
			}
		}
		m.Counted = len(counted)
		for _, name := range sweepFigures {
			if f, measured := figureOver(counted, name); measured {
				m.Figures = append(m.Figures, f)
			}
		}
		if rto := m.figure("rto"); rto != nil && rto.open() == 0 {
			for _, v := range rto.Values {
				x, y = append(x, p.Value), append(y, v)
			}
		}
		c.Points = append(c.Points, m)
	}
	if slope, fixed, ok := measure.TheilSen(x, y); ok && s.Unit == "s" {
		c.Price = &Price{PerSecond: slope, Fixed: fixed, Runs: len(y)}
	}
	return c
}

// figureOver collects a figure of several runs; measured is false when none
// has it.
func figureOver(runs []*record.Result, name string) (f SweepFigure, measured bool) {
	f.Name = name
	for _, r := range runs {
		if name == findings && len(r.Checks) > 0 {
			total := 0
			for _, c := range r.Checks {
				total += c.Total
			}
			f.Unit, f.Values, f.Censored = "ops", append(f.Values, float64(total)), append(f.Censored, false)
		}
		for _, had := range r.Figures {
			if had.Name == name && had.Lane == "" {
				f.Unit = had.Unit
				f.Values = append(f.Values, had.Value)
				f.Censored = append(f.Censored, name == "rto" && slices.ContainsFunc(r.Incidents, func(in record.Incident) bool { return in.Censored }))
			}
		}
	}
	if len(f.Values) == 0 {
		return f, false
	}
	if !slices.Contains(f.Censored, true) {
		f.Censored = nil
	}
	f.Median, f.Min, f.Max = median(f.Values), slices.Min(f.Values), slices.Max(f.Values)
	return f, true
}

func (m *SweepMark) figure(name string) *SweepFigure {
	for i := range m.Figures {
		if m.Figures[i].Name == name {
			return &m.Figures[i]
		}
	}
	return nil
}

// Text prints the figure: "1.72 s", and "> 9 s" when the median run had not
// recovered.
func (f *SweepFigure) Text() string {
	n := f.open()
	return map[bool]string{true: "> "}[2*n >= len(f.Values) && n > 0] + Value(f.Median, f.Unit)
}

// open counts the runs whose value is a lower bound.
func (f *SweepFigure) open() (n int) {
	for _, c := range f.Censored {
		if c {
			n++
		}
	}
	return n
}

// Range prints the span of the runs, "" for a single one.
func (f *SweepFigure) Range() string {
	if len(f.Values) < 2 {
		return ""
	}
	return Value(f.Min, f.Unit) + " to " + Value(f.Max, f.Unit)
}

// Sentence says what the sweep found, in words.
func (c *SweepCard) Sentence() string {
	text := ""
	if p := c.Price; p != nil {
		text = fmt.Sprintf("Each second of %s costs %s of recovery; %s is there at any setting. ", c.Setting, draw.Seconds(p.PerSecond), draw.Seconds(p.Fixed))
	}
	var measured []*SweepMark
	for i := range c.Points {
		m := &c.Points[i]
		if m.Counted > 0 {
			measured = append(measured, m)
		}
		if rto := m.figure("rto"); rto != nil && rto.open() > 0 {
			text += fmt.Sprintf("At %s %d of %s had not recovered when the load ended. ", m.Label, rto.open(), plural(m.Counted, "run", "runs"))
		}
	}
	if len(measured) < 2 {
		return text + "Too little was measured for a comparison."
	}
	first, last := measured[0], measured[len(measured)-1]
	text += fmt.Sprintf("From %s to %s:", first.Label, last.Label)
	for _, f := range []struct{ name, words string }{
		{"rto", "time to recover"}, {"acknowledged.p50", "median acknowledgement"}, {"availability.requests", "good operations"}, {"lost", "acknowledged writes lost"},
	} {
		if a, b := first.figure(f.name), last.figure(f.name); a != nil && b != nil {
			text += fmt.Sprintf(" %s %s → %s,", f.words, a.Text(), b.Text())
		}
	}
	return text[:len(text)-1] + "."
}

// WriteSweeps writes the page and SweepFile of sweeps into dir. Each file
// appears whole or not at all.
func WriteSweeps(dir string, sweeps []Sweep) error {
	cards := make([]*SweepCard, 0, len(sweeps))
	for _, s := range sweeps {
		cards = append(cards, s.Card(dir))
	}
	data, err := json.MarshalIndent(cards, "", "  ")
	if err != nil {
		return fmt.Errorf("encode sweep: %w", err)
	}
	page, err := SweepPage(cards)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, SweepFile), append(data, '\n')); err != nil {
		return err
	}
	return write(filepath.Join(dir, PageFile), page)
}
