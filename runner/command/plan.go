package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/runner"
)

// plan says what a run would do, and refuses what this machine cannot do: a
// dry run that checks nothing would be worse than none.
func (a *app) plan() *cobra.Command {
	var profile, schedule string
	cmd := &cobra.Command{
		Use:   "plan [SCENARIO...]",
		Short: "Check scenarios and print what they would do here, without doing it",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := runner.ParseProfile(profile)
			if err != nil {
				return usage("--profile: %v", err)
			}
			chosen, err := a.choose(args, p)
			if err != nil {
				return err
			}
			if chosen, err = a.adHoc(chosen, schedule); err != nil {
				return err
			}
			eng, err := engine.Connect(cmd.Context())
			if err != nil {
				return internal(err)
			}
			defer eng.Close()
			machine, err := agent.Probe(cmd.Context(), eng)
			if err != nil {
				return internal(fmt.Errorf("probe this machine: %w", err))
			}
			var errs []error
			var total time.Duration
			for _, s := range chosen {
				errs = append(errs, s.Validate(), a.printPlan(s, machine))
				total += runner.Estimate(s)
			}
			fmt.Fprintf(a.out, "%d scenarios, about %v one after the other\n", len(chosen), total.Round(time.Second))
			if err := errors.Join(errs...); err != nil {
				return exitError{exitUsage, err}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&profile, "profile", string(runner.Quick), "quick, nightly or soak: which scenarios when none is named")
	cmd.Flags().StringVar(&schedule, "faults", "", faultsHelp)
	return cmd
}

// printPlan prints one scenario's plan and returns what this machine lacks.
func (a *app) printPlan(s runner.Scenario, machine *agent.Machine) error {
	d := s.Declaration()
	fmt.Fprintf(a.out, "%s\n  %s\n  system   %s\n  load     %s for %v\n", d.Name, d.Doc, d.System, s.Load.Describe(), d.Duration)
	for _, o := range d.Objectives {
		fmt.Fprintf(a.out, "  promise  %s: target %g, limit %g %s\n", o.Name, o.Target, o.Limit, o.Unit)
	}
	if d.TwinOf != "" {
		fmt.Fprintf(a.out, "  twin of  %s; must fail on %s\n", d.TwinOf, joinOr(d.Expect, "nothing"))
	}
	var errs []error
	for _, step := range s.Faults {
		life := ", until the load ends"
		if _, drawn := step.Fault.(faults.Draw); drawn || step.For > 0 {
			life = ""
		}
		fmt.Fprintf(a.out, "  fault    %s%s\n", step, life)
		for _, f := range possible(step.Fault) {
			used, err := faults.Check(machine, f)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
			}
			for _, m := range used {
				_, why := machine.Has(string(m))
				fmt.Fprintf(a.out, "             %s by %s: %s\n", f.Spec().Fault, m, why)
			}
		}
	}
	fmt.Fprintln(a.out)
	return errors.Join(errs...)
}
