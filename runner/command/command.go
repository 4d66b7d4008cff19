// Package command is the hadrill command: it parses what the user wants, lets
// the rooms below do it, and turns what came of it into words, files and an
// exit code.
//
//	args ─▶ cobra ─▶ one file a command ─▶ runner, reports, engine ─▶ exit code
package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/runner"
)

// app is what every command needs.
type app struct {
	scenarios []runner.Scenario
	sweeps    []runner.Sweep
	version   string
	out, err  io.Writer
}

// Main runs the command with args (without the program's name) over the given
// scenarios and sweeps of them and returns the process's exit code. SIGINT and
// SIGTERM end a run in good order; a second one ends it at once, and the agent
// cleans up.
func Main(args []string, scenarios []runner.Scenario, sweeps []runner.Sweep, version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // from here on a second signal has its default effect
	}()
	a := &app{scenarios: scenarios, sweeps: sweeps, version: version, out: os.Stdout, err: os.Stderr}
	root := a.root()
	root.SetArgs(args)
	return a.report(root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "hadrill",
		Short:         "Failover drills with evidence: prove or refute that a highly available system keeps its promises.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       a.version,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q; `hadrill --help` lists the commands", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.list(), a.plan(), a.run(), a.sweep(), a.analyze(), a.reportRuns(), a.compare(), a.gate(), a.history(), a.doctor(), a.setup(), a.clean(), a.openPage(), a.listFaults())
	return root
}

// report prints what an error has to say and returns its exit code. Errors
// that carry no code of their own come from cobra: bad usage.
func (a *app) report(err error) int {
	if err == nil {
		return exitPass
	}
	tell(a.err, err)
	if code, known := codeOf(err); known {
		return code
	}
	return exitUsage
}
