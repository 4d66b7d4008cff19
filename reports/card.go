package reports

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// CardSchema is the version of scorecard.json; scorecard.schema.json, beside
// this file, describes it and the tests hold every scorecard against it.
const CardSchema = 1

// Scorecard is scorecard.json: what a folder of runs says, for machines and
// for the page. It is derived from results alone and is the same every time.
type Scorecard struct {
	Schema   int              `json:"schema"`
	Began    time.Time        `json:"began"` // wall start of the first run
	Ended    time.Time        `json:"ended"` // wall start of the last run
	Profile  string           `json:"profile"`
	Runs     int              `json:"runs"`
	Verdict  record.Verdict   `json:"verdict"` // the worst of the safe scenarios; a missed twin is a fail
	Verdicts map[string]int   `json:"verdicts"`
	Grade    measure.Grade    `json:"grade"`
	Coverage measure.Coverage `json:"coverage"` // cells measured of cells declared; beside the score, never inside it
	Twins    Twins            `json:"twins"`
	Losses   Losses           `json:"losses"`
	WorstRTO *WorstRTO        `json:"worst_rto"` // null when no recovery was measured
	Gate     *Gate            `json:"gate"`      // null without a baseline
	Rows     []Row            `json:"rows"`
	Noise    Noise            `json:"noise"`
	Versions []VersionsEntry  `json:"versions"`
}

// Twins counts the known-bad twins that ran.
type Twins struct {
	Caught int `json:"caught"`
	Total  int `json:"total"`
}

// Losses sums the ledgers of the safe scenarios.
type Losses struct {
	Acknowledged int     `json:"acknowledged"`
	Lost         int     `json:"lost"`
	Runs         int     `json:"runs"`        // runs with a definitive read
	LossRuns     int     `json:"loss_runs"`   // of these, with a loss
	UpperBound   float64 `json:"upper_bound"` // 95 % bound of the per-run loss probability when none was lost: 1-0.05^(1/n)
}

// WorstRTO is the longest recovery of the safe scenarios, against its target:
// the one that used most of its target.
type WorstRTO struct {
	Scenario string  `json:"scenario"`
	Run      string  `json:"run"`
	Value    float64 `json:"value_s"`
	Target   float64 `json:"target_s"`
	Censored bool    `json:"censored"`
}

// Noise is the quality of the measurement over all runs.
type Noise struct {
	WorstGap    float64  `json:"worst_gap_s"`
	MaxLag      float64  `json:"max_lag_s"`
	CPUSteal    float64  `json:"cpu_steal"`
	Calibration *float64 `json:"calibration_error_s"`
	Unquiet     int      `json:"unquiet_runs"`
	Saturated   int      `json:"saturated_runs"`
}

// VersionsEntry is a version that at least one run carried.
type VersionsEntry struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Row is one part of a highly available system.
type Row struct {
	Name      string         `json:"name"`
	Grade     measure.Grade  `json:"grade"`
	Verified  bool           `json:"verified"` // all safe scenarios passed and a twin was caught
	Scenarios []ScenarioCard `json:"scenarios"`
}

// ScenarioCard is one scenario over its repetitions.
type ScenarioCard struct {
	Name       string          `json:"name"`
	Doc        string          `json:"doc,omitempty"`
	Fault      string          `json:"fault"` // the matrix column; "no fault" for a null run
	TwinOf     string          `json:"twin_of,omitempty"`
	Expect     []string        `json:"expect,omitempty"`
	Caught     *bool           `json:"caught,omitempty"` // twins: caught in every repetition
	Verdict    record.Verdict  `json:"verdict"`          // the worst repetition
	Reason     string          `json:"reason"`           // of the worst repetition
	Ran        bool            `json:"ran"`
	Grade      *measure.Grade  `json:"grade"` // null for a twin, whose score says nothing of the system
	Objectives []ObjectiveCard `json:"objectives"`
	Runs       []RunCard       `json:"runs"`
	Config     string          `json:"config"` // hash of configuration, system and images: a change of it explains a change of figures

	id      string
	row     string
	results []*record.Result
	dirs    []string
}

// ObjectiveCard is one promise over the repetitions.
type ObjectiveCard struct {
	Name     string         `json:"name"`
	Unit     string         `json:"unit"`
	Higher   bool           `json:"higher,omitempty"`
	Target   float64        `json:"target"`
	Limit    float64        `json:"limit"`
	Worst    *float64       `json:"worst"`
	Median   *float64       `json:"median"`
	Censored bool           `json:"censored,omitempty"` // of the worst
	Values   []float64      `json:"values"`             // one a repetition that measured it
	Verdict  record.Verdict `json:"verdict"`
}

// RunCard points at one run.
type RunCard struct {
	Run      string         `json:"run"`
	Folder   string         `json:"folder"` // relative to the scorecard
	Repeat   int            `json:"repeat"`
	Seed     uint64         `json:"seed"`
	Verdict  record.Verdict `json:"verdict"`
	Reason   string         `json:"reason"`
	Score    *float64       `json:"score"`
	RTO      *float64       `json:"rto_s"`
	Censored bool           `json:"censored,omitempty"` // it had not recovered when the run ended
	Command  string         `json:"command"`
}

// Entry is one finished run and where its folder is, relative to the
// scorecard; Folder may be empty.
type Entry struct {
	Result *record.Result
	Folder string
}

// NewScorecard derives a scorecard from runs. declared lists scenarios that
// should have run: those without a run are coverage that is missing. It may
// be nil: then what ran is taken to be what was declared.
func NewScorecard(entries []Entry, declared []record.Scenario) *Scorecard {
	c := &Scorecard{Schema: CardSchema, Runs: len(entries), Verdicts: map[string]int{}, Rows: []Row{}, Versions: []VersionsEntry{}}
	cards := group(entries, declared)
	for _, e := range entries {
		c.count(e.Result)
	}
	for i := range cards {
		card := &cards[i]
		card.sum()
		if card.TwinOf != "" {
			if card.Caught != nil {
				c.Twins.Total++
				if *card.Caught {
					c.Twins.Caught++
				}
			}
		}
	}
	c.Verdict = overall(cards)
	c.Losses.bound()
	c.rows(cards)
	c.grade(entries, declared)
	return c
}

// group gathers runs by scenario, in order of row, then name, safe before twin.
func group(entries []Entry, declared []record.Scenario) []ScenarioCard {
	index := map[string]int{}
	var cards []ScenarioCard
	card := func(s record.Scenario) *ScenarioCard {
		i, ok := index[s.Name]
		if !ok {
			i = len(cards)
			index[s.Name] = i
			cards = append(cards, ScenarioCard{row: cmp.Or(s.Row, s.Name), Name: s.Name, Doc: s.Doc, Fault: faultOf(s), TwinOf: s.TwinOf, Expect: s.Expect,
				Objectives: []ObjectiveCard{}, Runs: []RunCard{}})
		}
		return &cards[i]
	}
	for _, s := range declared {
		card(s)
	}
	for _, e := range entries {
		c := card(e.Result.Scenario)
		c.results, c.dirs = append(c.results, e.Result), append(c.dirs, e.Folder)
	}
	slices.SortStableFunc(cards, func(a, b ScenarioCard) int {
		return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(cmp.Or(a.TwinOf, a.Name), cmp.Or(b.TwinOf, b.Name)),
			cmp.Compare(a.TwinOf, b.TwinOf), cmp.Compare(a.Name, b.Name))
	})
	return cards
}

// faultOf names a scenario's column: the faults it injects.
func faultOf(s record.Scenario) string {
	var names []string
	for _, f := range s.Faults {
		if !slices.Contains(names, f.Fault) {
			names = append(names, f.Fault)
		}
	}
	if len(names) == 0 {
		return NoFault
	}
	return strings.Join(names, " + ")
}

// NoFault is the column of runs without a fault.
const NoFault = "no fault"

// configOf hashes what the system was made of.
func configOf(r *record.Result) string {
	h := sha256.New()
	for _, s := range []string{r.Scenario.System, r.Scenario.Config} {
		h.Write([]byte(s + "\x00"))
	}
	for _, k := range sortedKeys(r.Images) {
		h.Write([]byte(k + "=" + r.Images[k] + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
