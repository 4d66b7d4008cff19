package command

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/runner/suite"
)

// runFlags are the flags of `run`.
type runFlags struct {
	profile  string
	faults   string
	repeat   int
	parallel int
	dir      string
	seed     uint64
	json     bool
}

func (a *app) run() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [SCENARIO...]",
		Short: "Run scenarios: start the real systems, inject the faults, judge the promises",
		Long: `Run scenarios, by name, prefix or glob; without any, all of the profile.

Each run leaves a folder: the event log (run.log), run.json, junit.xml, the
page (index.html) and the nodes' logs. The runs of one invocation stand in one
dated folder with their scorecard; the newest scorecard is also written to
--dir itself, so that runs/index.html is always the last thing that was run.

Exit code: 0 all promises kept and all twins caught, 1 an objective failed or
a twin was missed, 2 inconclusive or vacuous, 4 clean-up failed, 64 bad usage,
69 the engine, an image or an address range is not available here, 70 internal
error, 130 interrupted (after healing and clean-up).`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runScenarios(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.profile, "profile", string(runner.Quick), "quick, nightly or soak: which scenarios to run when none is named")
	flags.StringVar(&f.faults, "faults", "", faultsHelp)
	flags.IntVar(&f.repeat, "repeat", 1, "repetitions of each scenario")
	flags.IntVar(&f.parallel, "parallel", 1, "drills side by side; their control lanes tell whether they disturb one another")
	flags.StringVar(&f.dir, "dir", "runs", "folder for the dated folders of runs, and for the newest scorecard")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of everything random; 0 draws one, which is recorded")
	flags.BoolVar(&f.json, "json", false, "print one JSON object a run: scenario, path, verdict")
	return cmd
}

func (f runFlags) validate() error {
	switch {
	case f.repeat < 1 || f.repeat > 1000:
		return usage("--repeat %d: wants 1 to 1000", f.repeat)
	case f.parallel < 1 || f.parallel > 16:
		return usage("--parallel %d: wants 1 to 16", f.parallel)
	}
	return nil
}

func (a *app) runScenarios(ctx context.Context, names []string, f runFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	profile, err := runner.ParseProfile(f.profile)
	if err != nil {
		return usage("--profile: %v", err)
	}
	chosen, err := a.choose(names, profile)
	if err != nil {
		return err
	}
	if chosen, err = a.adHoc(chosen, f.faults); err != nil {
		return err
	}
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return usage("--dir %s: %v", f.dir, err)
	}
	eng, err := engine.Connect(ctx)
	if err != nil {
		return internal(err)
	}
	defer eng.Close()
	if f.seed == 0 {
		f.seed = drawSeed()
	}
	live := newLive(a.err, len(chosen)*f.repeat)
	defer live.stop()
	folder, err := newInvocation(dir, time.Now())
	if err != nil {
		return usage("--dir %s: %v", f.dir, err)
	}
	plan := suite.Plan{
		Scenarios: chosen, Repeat: f.repeat, Parallel: f.parallel,
		Options: runner.Options{
			Engine: eng, Dir: folder, Seed: f.seed,
			Versions: map[string]string{"hadrill": a.version}, Progress: live.progress,
		},
		Done: func(o suite.Outcome) {
			live.done(o)
			if f.json {
				a.printJSON(o)
			}
		},
	}
	outcomes := plan.Run(ctx)
	live.stop()
	s := reports.Suite{Dir: folder, Declared: declarations(chosen)}
	for _, o := range outcomes {
		if o.Result != nil {
			s.Results, s.Folders = append(s.Results, o.Result), append(s.Folders, o.Dir)
		}
	}
	return a.conclude(ctx, dir, s, outcomes, f.json)
}

// conclude writes what concerns all runs together, into their folder and,
// as the newest, into dir; it prints the summary and picks the exit code.
func (a *app) conclude(ctx context.Context, dir string, s reports.Suite, outcomes []suite.Outcome, asJSON bool) error {
	if !asJSON {
		a.console(s.Folders, s.Results).Print(a.out, s.Results)
	}
	var errs []error
	code := exitPass
	for _, o := range outcomes {
		code = worse(code, exitCodeOf(o))
		if o.Err != nil {
			errs = append(errs, o.Err)
		}
	}
	if len(s.Results) == 0 {
		_ = os.Remove(s.Dir) // only when it is empty: nothing came to be judged
	} else if err := publish(s, dir); err != nil {
		code = worse(code, exitInternal)
		errs = append(errs, err)
	} else if !asJSON {
		if len(s.Results) == 1 {
			fmt.Fprintf(a.out, "\nrun: %s", shown(s.Folders[0]))
		}
		fmt.Fprintf(a.out, "\nscorecard: %s\n", shown(filepath.Join(dir, reports.PageFile)))
	}
	if ctx.Err() != nil {
		code = worse(code, exitInterrupted)
	}
	if code == exitPass {
		return nil
	}
	return exitError{code, errors.Join(errs...)}
}

// ran is one line of `run --json`.
type ran struct {
	Scenario string         `json:"scenario"`
	Repeat   int            `json:"repeat"`
	Path     string         `json:"path"`
	Verdict  record.Verdict `json:"verdict"`
	Caught   *record.Caught `json:"caught,omitempty"`
	Reason   string         `json:"reason"`
	Seconds  float64        `json:"seconds"`
	Error    string         `json:"error,omitempty"`
}

func (a *app) printJSON(o suite.Outcome) {
	line := ran{Scenario: o.Scenario.Name, Repeat: o.Repeat, Path: o.Dir, Verdict: record.HarnessError, Seconds: o.Elapsed.Seconds()}
	if o.Result != nil {
		line.Verdict, line.Caught, line.Reason = o.Result.Verdict, o.Result.Caught, o.Result.Reason
	}
	if o.Err != nil {
		line.Error = o.Err.Error()
	}
	_ = json.NewEncoder(a.out).Encode(line) // a closed pipe ends the reader, not the drill
}

func drawSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint64(b[:]) | 1
}
