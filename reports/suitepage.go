package reports

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// pageBudget is the size a suite's page keeps to, in bytes: one file that a
// chat, a mail or an artefact store takes without a thought.
const pageBudget = 980_000

type suitePage struct {
	Title       string
	Card        *Scorecard
	Badge       badge
	Letter      string
	LetterClass string
	Sentence    string
	Interval    template.HTML
	Note        string
	Caps        []record.Cap
	Tiles       []tile
	Changed     string
	Sections    []section
	Columns     []string
	Matrix      []matrixRow
	Changes     template.HTML
	Drills      []template.HTML
	Lean        int
	Ledgers     []ledgerRow
	NoiseTiles  []tile
	Instruments []instrumentRow
	History     []template.HTML
	Commands    []string
}

type matrixRow struct {
	Name  string
	Score string
	Cells []matrixCell
	Twins []matrixEntry
}

type matrixCell struct {
	Empty   bool
	Entries []matrixEntry
}

type matrixEntry struct{ ID, Sign, Class, Value, Target, Name, Title string }

// SuitePage returns the page of a scorecard as a single HTML file. films
// finds the film of a run; it may return nil, and then the drill goes without.
func SuitePage(c *Scorecard, films func(ScenarioCard, int) *film.Film, history []*Scorecard) ([]byte, error) {
	p := &suitePage{Title: "Failover scorecard", Card: c}
	p.head()
	p.matrix()
	p.tables()
	p.history(history)
	p.changes()
	p.sections()
	drills, err := p.makeDrills(films)
	if err != nil {
		return nil, err
	}
	for _, d := range drills {
		p.Drills = append(p.Drills, d.lean)
	}
	frame, err := p.render()
	if err != nil {
		return nil, err
	}
	size := len(frame)
	for i, d := range drills { // the most harmful first, films before the rest
		if more := len(d.filmed) - len(d.lean); size+more <= pageBudget {
			p.Drills[i], size = d.filmed, size+more
		} else {
			p.Lean++
		}
	}
	for i, d := range drills {
		if more := len(d.rich) - len(p.Drills[i]); size+more <= pageBudget && p.Drills[i] == d.filmed {
			p.Drills[i], size = d.rich, size+more
		}
	}
	return p.render()
}

func (p *suitePage) render() ([]byte, error) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "suite.html", p); err != nil {
		return nil, fmt.Errorf("scorecard page: %w", err)
	}
	return b.Bytes(), nil
}

func (p *suitePage) cards() []*ScenarioCard {
	var out []*ScenarioCard
	for i := range p.Card.Rows {
		for k := range p.Card.Rows[i].Scenarios {
			out = append(out, &p.Card.Rows[i].Scenarios[k])
		}
	}
	return out
}

func (p *suitePage) head() {
	c := p.Card
	p.Badge = badgeOf(c.Verdict)
	g := c.Grade
	p.Letter, p.LetterClass = g.Letter, "fail"
	switch g.Letter {
	case "A", "B":
		p.LetterClass = "pass"
	case "C", measure.Ungraded:
		p.LetterClass = "doubt"
	}
	if g.Score != nil && g.Bound != nil {
		p.Interval = template.HTML(`<figure>` + draw.Interval(*g.Score, *g.Bound).Inline() + `</figure>`)
	}
	p.Note, p.Caps = c.gradeNote(), c.hardestCaps(3)
	p.Sentence = c.Sentence()
	p.Title = "Failover scorecard · " + p.Letter
	p.Tiles = append(p.Tiles, tile{"Coverage", fmt.Sprintf("%d of %d", c.Coverage.Measured, c.Coverage.Declared), "scenarios measured", class(c.Coverage.Measured < c.Coverage.Declared)},
		tile{"Known-bad twins caught", fmt.Sprintf("%d of %d", c.Twins.Caught, c.Twins.Total), "a check that catches nothing proves nothing", class(c.Twins.Caught < c.Twins.Total)})
	l := c.Losses
	of := "no ledger was balanced"
	if l.Runs > 0 {
		of = fmt.Sprintf("of %s in %s", grouped(int64(l.Acknowledged)), plural(l.Runs, "run", "runs"))
		if l.LossRuns == 0 {
			of += fmt.Sprintf("; loss in a run is at most %.0f %% likely", l.UpperBound*100)
		}
	}
	p.Tiles = append(p.Tiles, tile{"Acknowledged writes lost", grouped(int64(l.Lost)), of, class(l.Lost > 0)})
	if w := c.WorstRTO; w != nil {
		v := draw.Seconds(w.Value)
		if w.Censored {
			v = "> " + v
		}
		p.Tiles = append(p.Tiles, tile{"Worst recovery (rto)", v, "target ≤ " + draw.Seconds(w.Target) + " · " + w.Scenario, class(w.Censored || w.Value > w.Target)})
	}
	if g := c.Gate; g != nil {
		p.Tiles = append(p.Tiles, tile{"Gate", g.Verdict, g.Reason, class(g.Verdict != GatePass)})
		p.Changed = g.Sentence
	}
	p.NoiseTiles = noiseTiles(c.Noise, c.Runs)
}

func class(bad bool) string {
	if bad {
		return "fail"
	}
	return ""
}

func noiseTiles(n Noise, runs int) []tile {
	cal := tile{"Calibration error", "–", "no calibration ran", ""}
	if n.Calibration != nil {
		cal = tile{"Calibration error", draw.Seconds(*n.Calibration), "worst of known outages", ""}
	}
	return []tile{cal, {"Control lane’s worst gap", draw.Seconds(n.WorstGap), fmt.Sprintf("not quiet in %d of %d runs", n.Unquiet, runs), class(n.Unquiet > 0)},
		{"Largest schedule lag", draw.Seconds(n.MaxLag), fmt.Sprintf("generator saturated in %d runs", n.Saturated), class(n.Saturated > 0)},
		{"CPU steal", percent(n.CPUSteal), "worst run", ""}}
}

// Sentence says in one line what the runs say.
func (c *Scorecard) Sentence() string {
	var broken, missed, unknown, failed []string
	for _, r := range c.Rows {
		for i := range r.Scenarios {
			s := &r.Scenarios[i]
			switch m := s.meaning(); {
			case m == record.Pass:
			case s.TwinOf != "" && s.Ran && m == record.Failed:
				missed = append(missed, s.Name)
			case m == record.HarnessError:
				failed = append(failed, s.Name)
			case m == record.Failed:
				broken = append(broken, s.Name)
			default:
				unknown = append(unknown, s.Name)
			}
		}
	}
	var parts []string
	add := func(names []string, one, many string) {
		switch len(names) {
		case 0:
		case 1:
			parts = append(parts, names[0]+" "+one)
		default:
			parts = append(parts, fmt.Sprintf("%d scenarios %s", len(names), many))
		}
	}
	add(broken, "broke a promise", "broke a promise")
	add(missed, "is a twin that was missed", "are twins that were missed")
	add(failed, "could not be run: the toolkit failed", "could not be run: the toolkit failed")
	add(unknown, "proves nothing yet", "prove nothing yet")
	if len(parts) == 0 {
		if c.Runs == 0 {
			return "Nothing ran."
		}
		return "Every scenario kept its promises and every known-bad twin was caught."
	}
	return strings.Join(parts, "; ") + "."
}

func (p *suitePage) matrix() {
	for _, s := range p.cards() {
		if s.TwinOf == "" && !slices.Contains(p.Columns, s.Fault) {
			p.Columns = append(p.Columns, s.Fault)
		}
	}
	slices.SortFunc(p.Columns, func(a, b string) int {
		return cmp.Or(-cmp.Compare(b2i(a == NoFault), b2i(b == NoFault)), cmp.Compare(a, b))
	})
	for i := range p.Card.Rows {
		r := &p.Card.Rows[i]
		m := matrixRow{Name: r.Name, Cells: make([]matrixCell, len(p.Columns))}
		if r.Grade.Score != nil {
			m.Score = fmt.Sprintf("%s, score %.0f", r.Grade.Letter, *r.Grade.Score)
		}
		for k := range r.Scenarios {
			s := &r.Scenarios[k]
			if s.TwinOf != "" {
				m.Twins = append(m.Twins, entryOf(s))
				continue
			}
			cell := &m.Cells[slices.Index(p.Columns, s.Fault)]
			cell.Entries = append(cell.Entries, entryOf(s))
		}
		for k := range m.Cells {
			m.Cells[k].Empty = len(m.Cells[k].Entries) == 0
		}
		p.Matrix = append(p.Matrix, m)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func entryOf(s *ScenarioCard) matrixEntry {
	b := s.badge()
	e := matrixEntry{ID: s.id, Sign: b.Sign, Class: b.Class, Value: b.Word, Name: s.Name, Title: s.Name + ": " + s.Reason}
	if i := strings.LastIndex(s.Name, "/"); i >= 0 && i+1 < len(s.Name) {
		e.Name = s.Name[i+1:]
	}
	if s.TwinOf != "" {
		e.Value = strings.TrimPrefix(b.Word, "twin ")
		return e
	}
	if o := s.headline(); o != nil && s.Ran && (s.Verdict == record.Pass || s.Verdict == record.Failed) {
		e.Value, e.Target = o.Name+" "+o.Text(), o.TargetText()
	}
	return e
}

// badge is the scenario as the reader sees it.
func (s *ScenarioCard) badge() badge {
	if !s.Ran {
		return badge{"○", "not run", "doubt"}
	}
	if s.TwinOf == "" {
		return badgeOf(s.Verdict)
	}
	for _, r := range s.results {
		if !fine(r) {
			return badgeOfRun(r)
		}
	}
	return badgeOfRun(s.results[0])
}

func (p *suitePage) sections() {
	for _, s := range []struct {
		section
		on bool
	}{
		{section{"matrix", "Matrix"}, true}, {section{"changes", "Changes"}, p.Changes != ""}, {section{"drills", "Films"}, true},
		{section{"ledger", "Ledger"}, true}, {section{"instrument", "Measurement"}, true},
		{section{"history", "History"}, len(p.History) > 0}, {section{"reproduce", "Reproduce"}, true},
	} {
		if s.on {
			p.Sections = append(p.Sections, s.section)
		}
	}
}
