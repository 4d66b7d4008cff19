package reports

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/runner/record"
)

// The files that WriteSuite writes beside index.html and junit.xml.
const (
	CardFile    = "scorecard.json"
	SummaryFile = "summary.md"
	MetricsFile = "metrics.txt"
	BadgeFile   = "badge.svg"
)

// Suite is a folder of runs to be reported together.
type Suite struct {
	Dir      string            // where the files go; it must exist
	Results  []*record.Result  // the runs, in order
	Folders  []string          // each run's folder, as the process sees it; "" where there is none
	Declared []record.Scenario // what should have run; nil: what ran
	Baseline []*record.Result  // the runs to compare with; nil: no gate
	NoPlots  bool              // leave out the folder of pictures
	History  []*Scorecard      // earlier scorecards, oldest first
}

// WriteSuite writes the scorecard of a folder of runs: index.html,
// scorecard.json, junit.xml, summary.md, metrics.txt, badge.svg and the
// pictures in plots. folders names each run's own folder, of which film.json is read. Each file appears
// whole or not at all.
func WriteSuite(dir string, results []*record.Result, folders []string) error {
	return Suite{Dir: dir, Results: results, Folders: folders}.Write()
}

// Write writes the suite's files; see WriteSuite.
func (s Suite) Write() error {
	if len(s.Folders) != 0 && len(s.Folders) != len(s.Results) {
		return fmt.Errorf("report suite in %s: %d runs but %d folders", s.Dir, len(s.Results), len(s.Folders))
	}
	card := s.Card()
	page, err := SuitePage(card, s.film, s.History)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(card, "", "  ")
	if err != nil {
		return fmt.Errorf("encode scorecard: %w", err)
	}
	junit, err := JUnit(s.Results)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{CardFile, append(data, '\n')}, {JUnitFile, junit}, {SummaryFile, []byte(Markdown(card))}, {MetricsFile, []byte(OpenMetrics(card))},
		{BadgeFile, []byte(Badge(card))}, {PageFile, page}} {
		if err := write(filepath.Join(s.Dir, f.name), f.data); err != nil {
			return err
		}
	}
	if s.NoPlots {
		return nil
	}
	return s.plots(card)
}

// Card derives the scorecard, with its gate when there is a baseline.
func (s Suite) Card() *Scorecard {
	entries := make([]Entry, 0, len(s.Results))
	for i, r := range s.Results {
		e := Entry{Result: r}
		if len(s.Folders) > 0 && s.Folders[i] != "" {
			e.Folder = relative(s.Dir, s.Folders[i])
		}
		entries = append(entries, e)
	}
	card := NewScorecard(entries, s.Declared)
	if s.Baseline != nil {
		card.compare(s.Baseline, s.Results)
	}
	return card
}

// relative makes a folder a link that works from dir; a folder elsewhere
// (another volume) gives none.
func relative(dir, folder string) string {
	a, err1 := filepath.Abs(dir)
	b, err2 := filepath.Abs(folder)
	if err1 != nil || err2 != nil {
		return ""
	}
	rel, err := filepath.Rel(a, b)
	if err != nil {
		return ""
	}
	return filepath.ToSlash(rel)
}

// film reads what a run's reports kept of it, or makes it from the log.
func (s Suite) film(card ScenarioCard, i int) *film.Film {
	if i >= len(card.dirs) || card.dirs[i] == "" {
		return nil
	}
	dir := filepath.Join(s.Dir, filepath.FromSlash(card.dirs[i]))
	if b, err := os.ReadFile(filepath.Join(dir, FilmFile)); err == nil {
		var f film.Film
		if json.Unmarshal(b, &f) == nil && f.Schema == film.Schema && f.Valid() {
			return &f
		}
	}
	log, err := record.Open(filepath.Join(dir, "run.log"))
	if err != nil {
		return nil // a drill without its film says so and links to its run
	}
	return film.Make(log, card.results[i], film.Window{Bins: suiteBins})
}

// ReadSuite reads the results of all run folders in dir, in order of their
// names. A folder without run.json is not a run; a run.json that cannot be
// read is an error that names it.
func ReadSuite(dir string) (results []*record.Result, folders []string, err error) {
	files, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*", RunFile))
	if err != nil {
		return nil, nil, fmt.Errorf("read runs in %s: %w", dir, err)
	}
	slices.Sort(files)
	for _, f := range files {
		r, err := ReadRun(f)
		if err != nil {
			return nil, nil, err
		}
		results, folders = append(results, r), append(folders, filepath.Dir(f))
	}
	return results, folders, nil
}

// ReadRun reads one run.json.
func ReadRun(path string) (*record.Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	var r record.Result
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("read result %s: %w", path, err)
	}
	if r.Schema != record.SchemaVersion {
		return nil, fmt.Errorf("read result %s: schema %d, this program reads %d (analyse its run.log again)", path, r.Schema, record.SchemaVersion)
	}
	return &r, nil
}

// ReadScorecard reads a scorecard.json, for history and comparison.
func ReadScorecard(path string) (*Scorecard, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read scorecard: %w", err)
	}
	var c Scorecard
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("read scorecard %s: %w", path, err)
	}
	if c.Schema != CardSchema {
		return nil, fmt.Errorf("read scorecard %s: schema %d, this program reads %d", path, c.Schema, CardSchema)
	}
	return &c, nil
}

// escapeGlob makes a folder's name match itself.
func escapeGlob(dir string) string {
	var out []rune
	for _, r := range dir {
		switch r {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
