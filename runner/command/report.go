package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/reports"
)

func (a *app) reportRuns() *cobra.Command {
	var s scope
	var out string
	var history []string
	var noPlots bool
	cmd := &cobra.Command{
		Use:   "report RUNS...",
		Short: "Write the scorecard of stored runs: page, JSON, JUnit, Markdown, metrics, badge",
		Long: `Write the scorecard of a folder of runs, or of several folders together. A
folder of dated folders, such as runs, stands for the newest of them. With
--baseline the page shows what changed, with --history the nights before.

Writing is not judging: the exit code is 0 when the scorecard was written.`,
		Example: `  hadrill report runs
  hadrill report --baseline baseline --history history runs
  hadrill report --out both runs/20260314T021700Z runs/20260315T021655Z`,
		Args: atLeastOne("a folder of runs"),
		RunE: func(_ *cobra.Command, args []string) error {
			now, suite, err := a.suite(args, s)
			if err != nil {
				return err
			}
			if suite.History, err = a.nights(history); err != nil {
				return err
			}
			suite.History = before(suite.History, suite.Card())
			suite.NoPlots = noPlots
			return a.writeReport(now, suite, out)
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "folder for the scorecard (default: the folder of runs itself)")
	cmd.Flags().StringArrayVar(&history, "history", nil, "folder of earlier scorecards, for the control charts; may be given several times")
	cmd.Flags().BoolVar(&noPlots, "no-plots", false, "leave out the folder of pictures")
	return cmd
}

// writeReport writes a suite to out, or where its runs are, and says where.
func (a *app) writeReport(now batch, suite reports.Suite, out string) error {
	top := out
	switch {
	case out != "":
		suite.Dir = out
		if isFile(filepath.Join(out, reports.RunFile)) {
			return usage("--out %s is the folder of a run, whose own page would be overwritten", out)
		}
		if err := os.MkdirAll(out, 0o755); err != nil {
			return usage("--out %s: %v", out, err)
		}
	case now.dir == "":
		return usage("%s: name the folder for the scorecard with --out", now.named)
	default:
		top = now.top
	}
	a.warnUnjudged(now)
	if err := publish(suite, top); err != nil {
		return internal(err)
	}
	fmt.Fprintf(a.out, "scorecard: %s\n", filepath.Join(top, reports.PageFile))
	return nil
}

func (a *app) warnUnjudged(b batch) {
	if len(b.unjudged) > 0 {
		fmt.Fprintf(a.err, "hadrill: left out, because not yet judged (`hadrill analyze` does): %s\n", strings.Join(b.unjudged, " "))
	}
}
