package command

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// reason is one cause of the gate's answer.
type reason struct {
	Kind     string `json:"kind"` // a verdict's word, "missed" or "regression"
	Scenario string `json:"scenario"`
	Text     string `json:"text"`

	code int
}

// decision is what the gate says, also as JSON.
type decision struct {
	Verdict     string   `json:"verdict"` // "pass", or the kind of the reason that decided
	Exit        int      `json:"exit"`
	Letter      string   `json:"letter"`
	Score       *float64 `json:"score"`
	Measured    int      `json:"measured"` // scenarios with a judged run
	Declared    int      `json:"declared"` // scenarios that should have one
	Page        string   `json:"page,omitempty"`
	Reasons     []reason `json:"reasons"`
	Notes       []string `json:"notes"` // what did not decide but should be known
	FalseAlarms *float64 `json:"false_alarms,omitempty"`
}

func (a *app) gate() *cobra.Command {
	var s scope
	var asJSON, equal bool
	cmd := &cobra.Command{
		Use:   "gate RUNS...",
		Short: "Decide whether stored runs may pass: absolute targets always, regressions against a baseline",
		Long: `Decide whether runs may pass. Every promise is held to its own limit, every
known-bad twin must have been caught, everything declared must have run. With
--baseline, a change for the worse that is both certain (Mann-Whitney, Holm)
and large (beyond 10 %, three resolutions and the control lane's noise) is a
regression; this needs six runs of a scenario on both sides, and below that
only the absolute limits gate.

Exit code: 0 pass, 1 a promise broken or a twin missed, 2 inconclusive,
vacuous or not run, 3 regression, 64 bad input, 70 the toolkit failed. With
several causes: 70 before 3 before 1 before 2.`,
		Example: `  hadrill gate runs
  hadrill gate --profile nightly --baseline last-night runs`,
		Args: atLeastOne("a folder of runs"),
		RunE: func(_ *cobra.Command, args []string) error {
			now, suite, err := a.suite(args, s)
			if err != nil {
				return err
			}
			d := decide(now, suite)
			if equal {
				rate, note := falseAlarms(suite.Baseline, now.results)
				d.FalseAlarms, d.Notes = rate, append(d.Notes, note)
			}
			if asJSON {
				err = json.NewEncoder(a.out).Encode(d)
			} else {
				err = a.printDecision(d)
			}
			if err != nil {
				return internal(fmt.Errorf("gate: %w", err))
			}
			if d.Exit != exitPass {
				return exitError{code: d.Exit}
			}
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the decision as one JSON object")
	cmd.Flags().BoolVar(&equal, "a-a", false, "tell how often the gate alone cries wolf: on random halves of the baseline (of the runs, without one)")
	return cmd
}

// decide derives the decision. Nothing is judged here: the limits were held
// by measure, and the comparison is reports'.
func decide(now batch, suite reports.Suite) decision {
	card := suite.Card()
	d := decision{Verdict: "pass", Letter: card.Grade.Letter, Score: card.Grade.Score, Page: now.page(),
		Measured: card.Coverage.Measured, Declared: card.Coverage.Declared, Reasons: []reason{}, Notes: []string{}}
	for _, row := range card.Rows {
		for _, s := range row.Scenarios {
			d.Reasons = append(d.Reasons, wrong(s)...)
		}
	}
	for _, dir := range now.unjudged {
		d.Reasons = append(d.Reasons, reason{"inconclusive", filepath.Base(dir), "this run was cut short before it was judged; `hadrill analyze` judges it", exitInconclusive})
	}
	if g := card.Gate; g != nil {
		few := 0
		for _, ch := range g.Changes {
			if ch.Regression {
				d.Reasons = append(d.Reasons, reason{"regression", ch.Scenario, ch.Objective + ": " + change(ch), exitRegression})
			}
			if !ch.Compared && len(ch.Was) > 0 && len(ch.Is) > 0 {
				few++
			}
		}
		switch {
		case g.Verdict == reports.GateIncomparable:
			d.Notes = append(d.Notes, g.Sentence)
		case few > 0:
			d.Notes = append(d.Notes, fmt.Sprintf("%s not compared: fewer than %d runs on a side", counted(few, "objective was", "objectives were"), measure.FewestCompared))
		}
		d.Notes = append(d.Notes, differences(suite)...)
	}
	slices.SortStableFunc(d.Reasons, func(x, y reason) int { return severity[y.code] - severity[x.code] })
	if len(d.Reasons) > 0 {
		d.Verdict, d.Exit = d.Reasons[0].Kind, d.Reasons[0].code
	}
	return d
}

// wrong lists what of a scenario is not as it should be.
func wrong(s reports.ScenarioCard) []reason {
	say := func(code int, kind, text string) []reason { return []reason{{kind, s.Name, text, code}} }
	switch {
	case !s.Ran:
		return say(exitInconclusive, record.Inconclusive.String(), "was declared and did not run")
	case s.TwinOf != "" && s.Caught != nil && *s.Caught:
		return nil
	case s.Verdict == record.HarnessError, s.Verdict == record.VerdictUnset:
		return say(exitInternal, record.HarnessError.String(), s.Reason+times(s, s.Verdict))
	case s.Verdict == record.Inconclusive, s.Verdict == record.Vacuous:
		return say(exitInconclusive, s.Verdict.String(), s.Reason+times(s, s.Verdict))
	case s.TwinOf != "":
		return say(exitFailed, "missed", fmt.Sprintf("this known-bad twin of %s must fail on %s and did not every time: the check proves nothing", s.TwinOf, strings.Join(s.Expect, ", ")))
	case s.Verdict == record.Pass:
		return nil
	}
	var out []reason
	for _, o := range s.Objectives {
		if o.Verdict == record.Failed {
			out = append(out, say(exitFailed, record.Failed.String(), fmt.Sprintf("%s is %s, limit %s%s", o.Name, o.Text(), o.LimitText(), times(s, record.Failed)))...)
		}
	}
	if len(out) == 0 {
		return say(exitFailed, record.Failed.String(), s.Reason+times(s, record.Failed))
	}
	return out
}

// times says in how many of a scenario's runs a verdict fell.
func times(s reports.ScenarioCard, v record.Verdict) string {
	n := 0
	for _, r := range s.Runs {
		if r.Verdict == v {
			n++
		}
	}
	if len(s.Runs) < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d runs)", n, len(s.Runs))
}

// differences says what makes a comparison less than it seems.
func differences(suite reports.Suite) []string {
	var notes []string
	if lacking, _ := lacks(suite.Baseline, suite.Results); len(lacking) > 0 {
		notes = append(notes, "not in the baseline, so held to their limits alone: "+strings.Join(lacking, ", "))
	}
	if gone, _ := lacks(suite.Results, suite.Baseline); len(gone) > 0 {
		notes = append(notes, fmt.Sprintf("%s of the baseline not among these runs", counted(len(gone), "scenario is", "scenarios are")))
	}
	was := configs(suite.Baseline)
	for name, is := range configs(suite.Results) {
		if old, ok := was[name]; ok && old != is {
			notes = append(notes, name+": its configuration or images are not the baseline's, which may explain a change")
		}
	}
	slices.Sort(notes)
	return notes
}

// configs returns each scenario's hash of configuration, system and images.
func configs(results []*record.Result) map[string]string {
	out := map[string]string{}
	card := reports.Suite{Results: safe(results)}.Card()
	for _, row := range card.Rows {
		for _, s := range row.Scenarios {
			out[s.Name] = s.Config
		}
	}
	return out
}

// How the gate's own false alarms are counted.
const (
	halvings    = 200
	halvingSeed = 1
)

// falseAlarms tells how often the gate finds a regression between two random
// halves of the same runs: of the baseline, or of now when there is none.
func falseAlarms(baseline, now []*record.Result) (*float64, string) {
	runs, of := safe(baseline), "baseline"
	if len(runs) == 0 {
		runs, of = safe(now), "runs"
	}
	rate, compared := measure.FalseAlarms(runs, halvings, halvingSeed)
	if !compared {
		return nil, fmt.Sprintf("false alarms: not known; halving the %s needs %d runs of a scenario, and none has as many", of, 2*measure.FewestCompared)
	}
	return &rate, fmt.Sprintf("false alarms: the gate found a regression in %.1f %% of %d random halvings of the %s (%s), in which there is none to find",
		rate*100, halvings, of, counted(len(runs), "run", "runs"))
}

func (a *app) printDecision(d decision) error {
	fmt.Fprintf(a.out, "gate: %s (exit %d), grade %s, %d of %d scenarios measured\n", d.Verdict, d.Exit, d.Letter, d.Measured, d.Declared)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range d.Reasons {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", r.Kind, plain(r.Scenario), plain(r.Text))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range d.Notes {
		fmt.Fprintf(a.out, "  note: %s\n", plain(n))
	}
	return nil
}

// plain keeps what a run recorded from steering the terminal or the table.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
