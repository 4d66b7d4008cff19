package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness/engine"
)

// listFaults prints the catalogue with what this machine has for each: the
// first mechanism of the ladder that is there is the one a run would use.
func (a *app) listFaults() *cobra.Command {
	return &cobra.Command{
		Use:   "faults",
		Short: "List the faults, and by which mechanism this machine would do each",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			eng, err := engine.Connect(cmd.Context())
			if err != nil {
				return internal(err)
			}
			defer eng.Close()
			machine, err := agent.Probe(cmd.Context(), eng)
			if err != nil {
				return internal(fmt.Errorf("probe this machine: %w", err))
			}
			fmt.Fprintf(a.out, "kernel %s\n\n", machine.Kernel)
			for _, e := range faults.Catalogue() {
				fmt.Fprintf(a.out, "%s\n  %s\n  proof    %s\n  healing  %s\n", e.Name, e.Meaning, e.Proof, e.Healing)
				fmt.Fprintf(a.out, "  written  %s\n", faults.Usage(e.Name))
				fmt.Fprintf(a.out, "  here     %s\n\n", ladderHere(e.Ladder, machine))
			}
			return nil
		},
	}
}

// ladderHere says which step of a mechanism ladder this machine stands on.
func ladderHere(ladder []faults.Mechanism, machine *agent.Machine) string {
	var missing []string
	for _, m := range ladder {
		ok, why := machine.Has(string(m))
		if ok {
			words := fmt.Sprintf("by %s (%s)", m, why)
			if len(missing) > 0 {
				words += "; better but missing: " + strings.Join(missing, ", ")
			}
			return words
		}
		missing = append(missing, fmt.Sprintf("%s (%s)", m, why))
	}
	if len(missing) == 0 {
		return "needs nothing but the engine"
	}
	return "NOT POSSIBLE: missing " + strings.Join(missing, ", ")
}
