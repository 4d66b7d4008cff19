package command

import (
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/reports"
)

func (a *app) compare() *cobra.Command {
	var s scope
	var asJSON, equal bool
	cmd := &cobra.Command{
		Use:   "compare BASE NEW",
		Short: "Compare two folders of runs: every objective, the most harmful change first",
		Long: `Compare runs with those of a baseline. Each line gives the median of an
objective on both sides with its interval (distribution-free, 95 % from six
runs on, the range below), the Hodges-Lehmann shift and what it means. Known-bad
twins are left out: how badly they fail is no promise.

With --a-a and a single folder, tell only how often the gate alone cries wolf.

Exit code: 0 no regression, 3 regression, 2 when nothing could be compared
(fewer than six runs on a side), 64 bad input.`,
		Example: `  hadrill compare runs/20260314T021700Z runs/20260315T021655Z
  hadrill compare --a-a runs/20260314T021700Z`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 2 || len(args) == 1 && equal {
				return nil
			}
			return fmt.Errorf("compare: name a baseline and the runs to hold against it; see `hadrill compare --help`")
		},
		RunE: func(_ *cobra.Command, args []string) error {
			base, err := gather(args[:1])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return a.alarmsAlone(base, asJSON)
			}
			now, err := gather(args[1:])
			if err != nil {
				return err
			}
			if err := comparable(base, now, s.allowNew); err != nil {
				return err
			}
			a.warnUnjudged(base)
			a.warnUnjudged(now)
			suite := reports.Suite{Baseline: safe(base.results), Results: safe(now.results)}
			gate := reports.Compare(suite.Baseline, suite.Results)
			notes := differences(suite)
			if equal {
				_, note := falseAlarms(suite.Baseline, nil)
				notes = append(notes, note)
			}
			if asJSON {
				err = json.NewEncoder(a.out).Encode(gate)
			} else {
				err = a.printChanges(gate, notes)
			}
			switch {
			case err != nil:
				return internal(fmt.Errorf("compare: %w", err))
			case gate.Verdict == reports.GateRegression:
				return exitError{code: exitRegression}
			case gate.Compared == 0:
				return exitError{code: exitInconclusive}
			}
			return nil
		},
	}
	s.newFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the comparison as one JSON object")
	cmd.Flags().BoolVar(&equal, "a-a", false, "tell how often the gate alone cries wolf, on random halves of BASE")
	return cmd
}

// alarmsAlone is compare --a-a of one folder.
func (a *app) alarmsAlone(b batch, asJSON bool) error {
	rate, note := falseAlarms(nil, b.results)
	if asJSON {
		if err := json.NewEncoder(a.out).Encode(map[string]any{"false_alarms": rate, "halvings": halvings}); err != nil {
			return internal(fmt.Errorf("compare: %w", err))
		}
	} else {
		fmt.Fprintln(a.out, note)
	}
	if rate == nil {
		return exitError{code: exitInconclusive}
	}
	return nil
}

func (a *app) printChanges(g *reports.Gate, notes []string) error {
	fmt.Fprintln(a.out, g.Sentence)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nSCENARIO\tOBJECTIVE\tBASELINE\tNOW\tWHAT IT MEANS")
	for _, ch := range g.Changes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", plain(ch.Scenario), ch.Objective, side(ch.Was, ch.WasRange, ch.Unit), side(ch.Is, ch.IsRange, ch.Unit), meaning(ch))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range notes {
		fmt.Fprintf(a.out, "\nnote: %s\n", plain(n))
	}
	return nil
}

// side is a median with its interval and its runs: "1.72 s [1.70 s, 1.76 s] n=10".
func side(values []float64, interval [2]float64, unit string) string {
	if len(values) == 0 {
		return "not measured"
	}
	text := reports.Value(middle(values), unit)
	if len(values) > 1 {
		text += fmt.Sprintf(" [%s, %s]", reports.Value(interval[0], unit), reports.Value(interval[1], unit))
	}
	return fmt.Sprintf("%s n=%d", text, len(values))
}

// meaning puts a word before a change's reason.
func meaning(ch reports.ObjectiveShift) string {
	switch {
	case ch.Regression:
		return "REGRESSION: " + ch.Reason
	case ch.Better():
		return fmt.Sprintf("better by %s", reports.Value(-ch.Shift, ch.Unit))
	}
	return ch.Reason
}

// change is a regression in one line: "1.72 s -> 2.72 s, worse by ...".
func change(ch reports.ObjectiveShift) string {
	return fmt.Sprintf("%s -> %s, %s", side(ch.Was, ch.WasRange, ch.Unit), side(ch.Is, ch.IsRange, ch.Unit), ch.Reason)
}

// middle is the median of what is not empty.
func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
