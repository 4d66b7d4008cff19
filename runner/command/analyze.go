package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/runner/suite"
)

func (a *app) analyze() *cobra.Command {
	return &cobra.Command{
		Use:   "analyze RUN...",
		Short: "Judge stored runs again from their event logs alone",
		Args:  atLeastOne("a run folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			code := exitPass
			var results []*record.Result
			for _, dir := range args {
				log, result, err := runner.Analyze(cmd.Context(), dir)
				if errors.Is(err, runner.ErrNoLog) {
					return usage("%v", err)
				}
				if err == nil {
					err = reports.WriteRun(dir, log, result)
				}
				if err != nil {
					return internal(err)
				}
				results = append(results, result)
				code = worse(code, exitCodeOf(suite.Outcome{Scenario: runner.Scenario{TwinOf: result.Scenario.TwinOf}, Result: result}))
			}
			a.console(args, results).Print(a.out, results)
			if code != exitPass {
				return exitError{code: code}
			}
			return nil
		},
	}
}

// openPage shows a run's page in the user's browser, or says where it is.
func (a *app) openPage() *cobra.Command {
	return &cobra.Command{
		Use:   "open [RUN]",
		Short: "Open a run's page, or the scorecard of a folder of runs (default: runs)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "runs"
			if len(args) == 1 {
				dir = args[0]
			}
			page, err := filepath.Abs(filepath.Join(dir, "index.html"))
			if err != nil {
				return usage("open %s: %v", dir, err)
			}
			if _, err := os.Stat(page); err != nil {
				return usage("open %s: no page there (%v); `hadrill run` or `hadrill analyze` makes one", dir, err)
			}
			fmt.Fprintln(a.out, page)
			browser, err := exec.LookPath("xdg-open")
			if err != nil || os.Getenv("DISPLAY")+os.Getenv("WAYLAND_DISPLAY") == "" {
				return nil // no desktop here: the path is the answer
			}
			if err := exec.Command(browser, page).Start(); err != nil {
				return internal(fmt.Errorf("open %s: %w", page, err))
			}
			return nil
		},
	}
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s: name %s; see `hadrill %s --help`", cmd.Name(), what, cmd.Name())
		}
		return nil
	}
}
