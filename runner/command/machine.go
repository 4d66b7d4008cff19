package command

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/harness/images"
)

// setup warms a machine up: engine, base image, component images.
func (a *app) setup() *cobra.Command {
	return &cobra.Command{
		Use:   "setup [COMPONENT...]",
		Short: "Make this machine ready: container engine, base image, images of all components or of those named (idempotent)",
		RunE: func(cmd *cobra.Command, components []string) error {
			if len(components) == 0 {
				components = nil // all of them
			}
			for _, name := range components {
				if _, err := images.Lookup(name); err != nil {
					return usage("%v", err)
				}
			}
			began := time.Now()
			err := engine.Setup(cmd.Context(), engine.SetupOptions{Components: components}, func(e engine.Event) { a.showSetup(e) })
			if err != nil {
				return internal(err)
			}
			fmt.Fprintf(a.out, "ready after %.1fs\n", time.Since(began).Seconds())
			return nil
		},
	}
}

func (a *app) showSetup(e engine.Event) {
	switch {
	case e.Err != nil:
		fmt.Fprintf(a.err, "%-10s FAILED after %.1fs\n", e.Component, e.Elapsed.Seconds())
	case e.Done:
		fmt.Fprintf(a.err, "%-10s ready  %5.1fs  %s\n", e.Component, e.Elapsed.Seconds(), e.Line)
	case e.Line != "" && isTerminal(a.err):
		fmt.Fprintf(a.err, "\r\x1b[K%-10s %s: %.90s\r", e.Component, e.Stage, e.Line)
	}
}

// doctor prints what is there, what is missing, and what that costs.
func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine has and lacks, and what each missing thing costs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			var noEngine error
			for _, f := range engine.Doctor(cmd.Context()) {
				mark := "ok"
				if !f.OK {
					mark = "MISSING"
					if f.Name == "engine" {
						noEngine = &engine.Problem{What: "doctor: " + engine.ErrNoEngine.Error(), Why: f.Detail, Remedy: f.Remedy, Cause: engine.ErrNoEngine}
					}
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", mark, f.Name, f.Detail)
				if !f.OK {
					fmt.Fprintf(w, "\t\tcosts: %s\n\t\tremedy: %s\n", f.Cost, f.Remedy)
				}
			}
			if err := w.Flush(); err != nil {
				return internal(err)
			}
			return noEngine
		},
	}
}

// clean heals and removes what runs left behind whose author is gone.
func (a *app) clean() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Heal and remove what is left of runs whose author is gone",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			eng, err := engine.Connect(cmd.Context())
			if err != nil {
				return internal(err)
			}
			defer eng.Close()
			healErr := agent.RecoverAll(cmd.Context(), eng, force)
			removed, cleanErr := harness.CleanAll(cmd.Context(), eng, harness.CleanOptions{Force: force})
			for _, what := range removed {
				fmt.Fprintln(a.out, "removed", what)
			}
			if err := errors.Join(healErr, cleanErr); err != nil {
				return exitError{exitResidue, fmt.Errorf("clean: %w", err)}
			}
			if len(removed) == 0 {
				fmt.Fprintln(a.out, "nothing to clean")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also runs whose author still lives: this ends them")
	return cmd
}

// joinOr returns the words joined, or other when there are none.
func joinOr(words []string, other string) string {
	if len(words) == 0 {
		return other
	}
	return strings.Join(words, ", ")
}
