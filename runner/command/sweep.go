package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/suite"
)

// sweepFlags are the flags of `sweep`.
type sweepFlags struct {
	list   bool
	json   bool
	repeat int
	at     []string
	dir    string
	seed   uint64
}

func (a *app) sweep() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use:   "sweep SCENARIO...",
		Short: "Price a setting: the same drill over a range of it, recovery and latency against the setting",
		Long: `Price a setting: run the same system, load and faults at every place of one
setting, and show what each costs, recovery time, latency and loss, as a table,
a page (index.html) and data (sweep.json). SCENARIO is a name, prefix or glob
of scenarios that have a sweep; --list names them.

The places take turns and run one at a time, so that a change of the machine
meets them all. A run counts when its verdict is pass or fail and the control
lane was quiet. A sweep informs and does not judge: a broken promise may be
the price.

Exit code: 0 every place was measured, 2 one has no run that counts, 4
clean-up failed, 64 bad usage, 69 the engine, an image or an address range is
not available here, 70 internal error, 130 interrupted.`,
		Example: `  hadrill sweep --list
  hadrill sweep cache/redis-sentinel/primary-kill
  hadrill sweep --repeat 10 --at 200ms,1s cache/redis-sentinel/primary-kill`,
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := a.chooseSweeps(args, f)
			if err != nil {
				return err
			}
			if f.list {
				return a.listSweeps(chosen, f.json)
			}
			return a.runSweeps(cmd.Context(), chosen, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.list, "list", false, "list the sweeps and run none")
	flags.BoolVar(&f.json, "json", false, "print one JSON object a sweep")
	flags.IntVar(&f.repeat, "repeat", 5, "runs at each place")
	flags.StringSliceVar(&f.at, "at", nil, "only these places of the setting, such as 200ms,1s")
	flags.StringVar(&f.dir, "dir", "sweeps", "folder for the dated folders of sweeps, and for the newest page")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of everything random; 0 draws one, which is recorded")
	return cmd
}

// chooseSweeps returns the sweeps that the patterns name, in declared order,
// each with the places that were asked for.
func (a *app) chooseSweeps(patterns []string, f sweepFlags) ([]runner.Sweep, error) {
	if f.repeat < 1 || f.repeat > 1000 {
		return nil, usage("--repeat %d: wants 1 to 1000", f.repeat)
	}
	if len(patterns) == 0 && !f.list {
		return nil, usage("sweep: name a scenario; `hadrill sweep --list` lists the %d that have a sweep", len(a.sweeps))
	}
	var swept []runner.Scenario
	for _, w := range a.sweeps {
		swept = append(swept, runner.Scenario{Name: w.Scenario})
	}
	known := &app{scenarios: swept}
	picked := map[string]bool{}
	for _, p := range patterns {
		found, err := known.choose([]string{p}, runner.Soak)
		if err != nil {
			if _, declared := a.choose([]string{p}, runner.Soak); declared == nil {
				return nil, usage("%s has no sweep; `hadrill sweep --list` lists the %d that have one", p, len(a.sweeps))
			}
			return nil, usage("unknown scenario %q%s; `hadrill sweep --list` lists the %d that have a sweep", p, known.suggest(p), len(a.sweeps))
		}
		for _, s := range found {
			picked[s.Name] = true
		}
	}
	var chosen []runner.Sweep
	for _, w := range a.sweeps {
		if picked[w.Scenario] || len(patterns) == 0 {
			chosen = append(chosen, w)
		}
	}
	return narrowed(chosen, f.at)
}

// narrowed keeps the places of that label; one that no sweep has is bad usage.
func narrowed(sweeps []runner.Sweep, at []string) ([]runner.Sweep, error) {
	if len(at) == 0 {
		return sweeps, nil
	}
	var out []runner.Sweep
	var labels []string
	found := map[string]bool{}
	for _, w := range sweeps {
		kept := w
		kept.Points = nil
		for _, p := range w.Points {
			labels = append(labels, p.Label)
			if slices.Contains(at, p.Label) {
				kept.Points = append(kept.Points, p)
				found[p.Label] = true
			}
		}
		if len(kept.Points) > 0 {
			out = append(out, kept)
		}
	}
	for _, label := range at {
		if !found[label] {
			return nil, usage("--at %s: there are the places %s", label, strings.Join(labels, ", "))
		}
	}
	return out, nil
}

// listedSweep is one line of `sweep --list --json`.
type listedSweep struct {
	Scenario string   `json:"scenario"`
	Setting  string   `json:"setting"`
	Unit     string   `json:"unit"`
	Points   []string `json:"points"`
	Doc      string   `json:"doc"`
}

func (a *app) listSweeps(sweeps []runner.Sweep, asJSON bool) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(w, "SCENARIO\tSETTING\tPLACES\tWHAT IT SHOWS")
	}
	for _, s := range sweeps {
		l := listedSweep{Scenario: s.Scenario, Setting: s.Setting, Unit: s.Unit, Doc: s.Doc}
		for _, p := range s.Points {
			l.Points = append(l.Points, p.Label)
		}
		if asJSON {
			if err := json.NewEncoder(a.out).Encode(l); err != nil {
				return internal(fmt.Errorf("sweep --list: %w", err))
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Scenario, l.Setting, strings.Join(l.Points, " "), l.Doc)
	}
	return w.Flush()
}

func (a *app) runSweeps(ctx context.Context, sweeps []runner.Sweep, f sweepFlags) error {
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return usage("--dir %s: %v", f.dir, err)
	}
	for _, w := range sweeps {
		for _, p := range w.Points {
			if err := p.Scenario.Validate(); err != nil {
				return usage("%v", err)
			}
		}
	}
	eng, err := engine.Connect(ctx)
	if err != nil {
		return internal(err)
	}
	defer eng.Close()
	if f.seed == 0 {
		f.seed = drawSeed()
	}
	folder, err := newInvocation(dir, time.Now())
	if err != nil {
		return usage("--dir %s: %v", f.dir, err)
	}
	total := 0
	for _, w := range sweeps {
		total += len(w.Points) * f.repeat
	}
	live := newLive(a.err, total)
	defer live.stop()
	var measured []reports.Sweep
	var errs []error
	code := exitPass
	for _, w := range sweeps {
		rounds := suite.Rounds{
			Repeat: f.repeat, Done: live.done,
			Options: runner.Options{
				Engine: eng, Dir: folder, Seed: f.seed,
				Versions: map[string]string{"hadrill": a.version}, Progress: live.progress,
			},
			Command: func(i int) string {
				return fmt.Sprintf("hadrill sweep --repeat 1 --seed %d --at %s %s", f.seed, w.Points[i].Label, w.Scenario)
			},
		}
		for _, p := range w.Points {
			rounds.Scenarios = append(rounds.Scenarios, p.Scenario)
		}
		outcomes := rounds.Run(ctx)
		measured = append(measured, measuredSweep(w, f, outcomes))
		for _, o := range slices.Concat(outcomes...) {
			if o.Err != nil {
				c, _ := codeOf(o.Err)
				code, errs = worse(code, c), append(errs, o.Err)
			}
		}
	}
	live.stop()
	return a.concludeSweeps(ctx, dir, folder, measured, f.json, code, errs)
}

// measuredSweep puts outcomes where a report expects them.
func measuredSweep(w runner.Sweep, f sweepFlags, outcomes [][]suite.Outcome) reports.Sweep {
	command := fmt.Sprintf("hadrill sweep --repeat %d --seed %d", f.repeat, f.seed)
	if len(f.at) > 0 {
		command += " --at " + strings.Join(f.at, ",")
	}
	out := reports.Sweep{Scenario: w.Scenario, Setting: w.Setting, Unit: w.Unit, Doc: w.Doc, Command: command + " " + w.Scenario}
	for i, p := range w.Points {
		point := reports.SweepPoint{Label: p.Label, Value: p.Value}
		for _, o := range outcomes[i] {
			if o.Err != nil || o.Result == nil {
				point.Broken = append(point.Broken, fmt.Sprint(o.Err))
				continue
			}
			point.Results, point.Folders = append(point.Results, o.Result), append(point.Folders, o.Dir)
		}
		out.Points = append(out.Points, point)
	}
	return out
}

// concludeSweeps writes the page into its folder and, as the newest, into dir;
// it prints the tables and picks the exit code.
func (a *app) concludeSweeps(ctx context.Context, dir, folder string, sweeps []reports.Sweep, asJSON bool, code int, errs []error) error {
	for _, d := range []string{folder, dir} {
		if err := reports.WriteSweeps(d, sweeps); err != nil {
			code, errs = worse(code, exitInternal), append(errs, err)
		}
	}
	for _, s := range sweeps {
		card := s.Card(folder)
		for _, p := range card.Points {
			if p.Counted == 0 {
				code = worse(code, exitInconclusive)
			}
		}
		if asJSON {
			if err := json.NewEncoder(a.out).Encode(card); err != nil {
				return internal(fmt.Errorf("sweep: %w", err))
			}
			continue
		}
		if err := a.printSweep(card); err != nil {
			return internal(fmt.Errorf("sweep: %w", err))
		}
	}
	if !asJSON {
		fmt.Fprintf(a.out, "\npage: %s\n", shown(filepath.Join(folder, reports.PageFile)))
	}
	if ctx.Err() != nil {
		code = worse(code, exitInterrupted)
	}
	if code == exitPass {
		return nil
	}
	return exitError{code, errors.Join(errs...)}
}

func (a *app) printSweep(c *reports.SweepCard) error {
	fmt.Fprintf(a.out, "\n%s over %s\n%s\n\n", c.Scenario, c.Setting, c.Sentence())
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, line := range c.Cells() {
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return w.Flush()
}
