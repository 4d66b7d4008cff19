package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"path/filepath"
	"time"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/record"
)

// The files of a run folder that reports writes.
const (
	RunFile   = "run.json"
	FilmFile  = "film.json"
	JUnitFile = "junit.xml"
	PageFile  = "index.html"
)

// WriteRun writes a run's reports into its folder, which must exist: run.json
// (the result, indented, with its schema version), film.json (what the films
// are drawn from), junit.xml and index.html. log may be nil when the run
// failed before it had one. Each file appears whole or not at all. The same
// input gives the same bytes.
func WriteRun(dir string, log *record.Log, res *record.Result) error {
	if res == nil {
		return fmt.Errorf("report run in %s: there is no result", dir)
	}
	result, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return fmt.Errorf("encode result of %s: %w", res.Run, err)
	}
	f := film.Make(log, res, film.Window{Bins: suiteBins})
	filmed, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode film of %s: %w", res.Run, err)
	}
	junit, err := JUnit([]*record.Result{res})
	if err != nil {
		return err
	}
	page, err := RunPage(log, res)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data []byte
	}{{RunFile, append(result, '\n')}, {FilmFile, append(filmed, '\n')}, {JUnitFile, junit}, {PageFile, page}} {
		if err := write(filepath.Join(dir, file.name), file.data); err != nil {
			return err
		}
	}
	return nil
}

// suiteBins is the resolution of the films kept for a suite's page, which has
// to carry dozens.
const suiteBins = 240

// RunPage returns the page of one run as a single HTML file.
func RunPage(log *record.Log, res *record.Result) ([]byte, error) {
	p := newRunPage(log, res)
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "run.html", p); err != nil {
		return nil, fmt.Errorf("page of %s: %w", res.Run, err)
	}
	return b.Bytes(), nil
}

type runPage struct {
	Title              string
	Result             *record.Result
	Badge              badge
	Twin, CaughtIt     bool
	Expected, FailedOn []string
	Tiles              []tile
	Sections           []section
	Films              []filmFigure
	Dropped            int
	Recovery           template.HTML
	Goodput            template.HTML
	LedgerOver         template.HTML
	Marks              []markRow
	Events             []eventRow
	MoreEvents         int

	log  *record.Log
	zero record.Time
}

type tile struct{ Name, Value, Of, Class string }

type section struct{ ID, Name string }

type filmFigure struct {
	Title       string
	SVG         template.HTML
	From, To    float64
	Left, Right float64
}

type markRow struct {
	Label, Text string
	At          []string
}

type eventRow struct {
	Index int
	At    record.Time
	Kind  record.EventKind
	Text  string
	Log   string // the node's log file, when the line came from one
}

// maxEventRows bounds the table of events; errors are always listed.
const maxEventRows = 400

func newRunPage(log *record.Log, res *record.Result) *runPage {
	p := &runPage{Title: fmt.Sprintf("%s · %s", res.Scenario.Name, badgeOfRun(res).Word), Result: res, Badge: badgeOfRun(res), log: log, Twin: isTwin(res)}
	if p.Twin {
		p.Expected = res.Scenario.Expect
		if c := res.Caught; c != nil {
			p.CaughtIt, p.Expected, p.FailedOn = c.Caught, c.Expected, c.Failed
		}
	}
	p.Tiles = tiles(res)
	f := film.Make(log, res, film.Window{})
	p.zero = f.Zero
	p.Films = append(p.Films, figure("", f))
	p.Dropped = f.Dropped
	if from, to, ok := closeUp(f, res); ok {
		p.Films = append(p.Films, figure("Close-up of the failover", film.Make(log, res, film.Window{From: from, To: to})))
	}
	if u := res.Scenario.Surge; u != nil && f.Bins > 0 {
		p.Goodput = template.HTML(draw.Goodput([]draw.Trace{goodputTrace(res, f)}, u.Capacity).Inline())
	}
	p.Recovery = template.HTML(draw.Recovery(stacks(res), rtoTarget(res), rtoLimit(res)).Inline())
	if l := res.Ledger; l != nil && l.Over != nil {
		p.LedgerOver = template.HTML(draw.Ledger(l.Over, p.zero).Inline())
	}
	p.marks()
	p.events()
	p.sections()
	return p
}

func figure(title string, f *film.Film) filmFigure {
	left, right := draw.FilmSpan()
	return filmFigure{title, template.HTML(draw.Film(f, draw.FilmOptions{Links: true}).Inline()),
		f.Seconds(f.From), f.Seconds(f.To()), left, right}
}

// closeUp returns the time around the first incident when it fills less than
// a quarter of the film.
func closeUp(f *film.Film, res *record.Result) (from, to record.Time, ok bool) {
	if !f.HasT0 || f.Bins == 0 {
		return 0, 0, false
	}
	end := record.Never
	for _, in := range res.Incidents {
		if !in.Failback && in.Marks.T0 == f.Zero {
			end = max(end, in.Marks.T4, in.Marks.T5)
		}
	}
	if end == record.Never {
		return 0, 0, false
	}
	length := max(end-f.Zero, record.Time(40*time.Millisecond))
	if int64(length) > f.Step*int64(f.Bins)/4 {
		return 0, 0, false
	}
	return max(f.From, f.Zero-length/3), min(f.To(), end+length/2), true
}

func tiles(r *record.Result) []tile {
	var out []tile
	add := func(name, objective, value, of string) {
		class := ""
		if j := judgement(r, objective); j != nil {
			of = "target " + Target(j.Objective)
			if j.Verdict == record.Failed {
				class = "fail"
			}
		}
		out = append(out, tile{name, value, of, class})
	}
	if in := worstIncident(r); in != nil {
		add("Recovery (rto)", "rto", rtoText(in), decomposition(in))
	}
	if l := r.Ledger; l != nil {
		value, class := grouped(int64(l.Lost)), ""
		if !l.Definitive {
			value = "unknown"
		} else if l.Lost > 0 {
			class = "fail"
		}
		out = append(out, tile{"Acknowledged writes lost", value, "of " + grouped(int64(l.Acknowledged)), class})
	}
	if j := availability(r); j != nil {
		name := "Availability"
		if j.Objective.Name != "availability.requests" {
			name = j.Objective.Name
		}
		add(name, j.Objective.Name, Measured(*j), "")
	}
	noise := tile{"Noise floor", draw.Seconds(r.Instrument.WorstGap), "resolution " + draw.Seconds(r.Instrument.Resolution), ""}
	if !r.Instrument.Quiet {
		noise.Class = "fail"
	}
	out = append(out, noise)
	if r.Score != nil {
		out = append(out, tile{"Score of this run", fmt.Sprintf("%.0f", *r.Score), "of 100", ""})
	}
	return out
}

// availability returns the run's promise of availability: of requests if it
// has one, else the first of its kind.
func availability(r *record.Result) *record.Judgement {
	if j := judgement(r, "availability.requests"); j != nil {
		return j
	}
	for i := range r.Judgements {
		if r.Judgements[i].Objective.Kind == record.KindAvailability {
			return &r.Judgements[i]
		}
	}
	return nil
}

func stacks(r *record.Result) []draw.Stack {
	part := func(v *float64) float64 {
		if v == nil {
			return -1
		}
		return *v
	}
	var out []draw.Stack
	for _, in := range r.Incidents {
		name := in.Fault.Fault
		if in.Failback {
			name += ", healed"
		}
		out = append(out, draw.Stack{Name: name, Detect: part(in.Detect), Failover: part(in.Failover), Reconnect: part(in.Reconnect),
			Settle: part(in.Settle), RTO: part(in.RTO), Censored: in.Censored})
	}
	return out
}

func rtoTarget(r *record.Result) float64 {
	if j := judgement(r, "rto"); j != nil {
		return j.Objective.Target
	}
	return -1
}

func rtoLimit(r *record.Result) float64 {
	if j := judgement(r, "rto"); j != nil {
		return j.Objective.Limit
	}
	return -1
}

// At prints an instant on the page's axis: seconds from t0.
func (p *runPage) At(t record.Time) string {
	if t == record.Never {
		return "–"
	}
	return fmt.Sprintf("%.3f s", (t - p.zero).Seconds())
}

func (p *runPage) lane(op record.Op) string {
	if int(op.Lane) < len(p.Result.Lanes) {
		return p.Result.Lanes[op.Lane].Lane.Name
	}
	return fmt.Sprintf("lane %d", op.Lane)
}

func (p *runPage) marks() {
	for i := range 8 {
		row := markRow{Label: fmt.Sprintf("t%d", i), Text: film.MarkText(i)}
		for _, in := range p.Result.Incidents {
			row.At = append(row.At, p.At(film.MarkTimes(in.Marks)[i]))
		}
		p.Marks = append(p.Marks, row)
	}
}

// events lists what happened; repeated beliefs and instrument samples are
// left to the film and the log.
func (p *runPage) events() {
	if p.log == nil {
		return
	}
	believed := map[string]string{}
	for i := range p.log.Events {
		ev := &p.log.Events[i]
		switch ev.Kind {
		case record.EventSample:
			continue
		case record.EventBelief:
			now := ev.Name + "\x00" + ev.Text
			if believed[ev.Node] == now {
				continue
			}
			believed[ev.Node] = now
		}
		if len(p.Events) >= maxEventRows && ev.Kind != record.EventError {
			p.MoreEvents++
			continue
		}
		row := eventRow{Index: i, At: ev.At, Kind: ev.Kind, Text: film.Sentence(ev)}
		if ev.Kind == record.EventLog && filepath.Base(ev.Node) == ev.Node && ev.Node != "." && ev.Node != ".." {
			row.Log = "nodes/" + ev.Node + ".log"
		}
		p.Events = append(p.Events, row)
	}
}

func (p *runPage) sections() {
	r := p.Result
	for _, s := range []struct {
		section
		on bool
	}{
		{section{"promises", "Promises"}, true}, {section{"film", "Film"}, true},
		{section{"goodput", "Goodput"}, p.Goodput != ""}, {section{"recovery", "Recovery"}, len(r.Incidents) > 0}, {section{"ledger", "Ledger"}, r.Ledger != nil},
		{section{"checks", "Checks"}, len(r.Checks) > 0}, {section{"findings", "Findings"}, len(r.Findings) > 0}, {section{"lanes", "Lanes"}, true},
		{section{"instrument", "Measurement"}, true}, {section{"phases", "Phases"}, true},
		{section{"events", "Events"}, len(p.Events) > 0}, {section{"figures", "Figures"}, true}, {section{"reproduce", "Reproduce"}, true},
	} {
		if s.on {
			p.Sections = append(p.Sections, s.section)
		}
	}
}
