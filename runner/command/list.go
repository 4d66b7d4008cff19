package command

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
)

// listed is one line of `list --json`.
type listed struct {
	Name     string             `json:"name"`
	Row      string             `json:"row"`
	Profile  runner.Profile     `json:"profile"`
	TwinOf   string             `json:"twin_of"` // "" for a safe scenario
	Expect   []string           `json:"expect"`  // empty for a safe scenario
	Promises []record.Objective `json:"promises"`
	Doc      string             `json:"doc"`
}

func (a *app) list() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [SCENARIO...]",
		Short: "List the scenarios: what is claimed, and which twin must be caught",
		RunE: func(_ *cobra.Command, args []string) error {
			chosen, err := a.choose(args, runner.Soak)
			if err != nil {
				return err
			}
			if asJSON {
				return a.listJSON(chosen)
			}
			return a.listText(chosen)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a scenario, a line each")
	return cmd
}

func (a *app) listJSON(chosen []runner.Scenario) error {
	enc := json.NewEncoder(a.out)
	for _, s := range chosen {
		expect := append([]string{}, s.Expect...) // never null
		if err := enc.Encode(listed{s.Name, s.Row, s.Profile, s.TwinOf, expect, s.Promises, s.Doc}); err != nil {
			return internal(fmt.Errorf("list: %w", err))
		}
	}
	return nil
}

func (a *app) listText(chosen []runner.Scenario) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SCENARIO\tPROFILE\tTWIN OF\tMUST FAIL ON\tWHAT IT SHOWS")
	for _, s := range chosen {
		twin, expect := "-", "-"
		if s.TwinOf != "" {
			twin, expect = s.TwinOf, fmt.Sprint(s.Expect)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Profile, twin, expect, s.Doc)
	}
	return w.Flush()
}
