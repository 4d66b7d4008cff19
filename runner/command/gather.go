package command

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
)

// batch is the runs that the user named, read back from their folders.
type batch struct {
	named    string // as the user named them
	top      string // the one folder that was named; "" for several
	dir      string // the folder that directly holds the runs; "" for several, or for a single run
	results  []*record.Result
	folders  []string
	unjudged []string // folders of runs that have a log but no result
}

// gather reads the runs of every folder named. A folder may be one run, hold
// runs, or hold dated folders of runs: then the newest of them is meant.
// Anything that cannot be read whole is bad usage; so are no runs at all.
func gather(args []string) (batch, error) {
	all := batch{named: strings.Join(args, ", ")}
	seen := map[string]bool{}
	for _, arg := range args {
		b, err := gatherOne(arg)
		if err != nil {
			return batch{}, usage("%v", err)
		}
		for _, f := range b.folders {
			abs, err := filepath.Abs(f)
			if err != nil {
				return batch{}, usage("%s: %v", f, err)
			}
			if seen[abs] {
				return batch{}, usage("%s is named twice; every run counts once", f)
			}
			seen[abs] = true
		}
		all.results, all.folders = append(all.results, b.results...), append(all.folders, b.folders...)
		all.unjudged = append(all.unjudged, b.unjudged...)
		if len(args) == 1 {
			all.top, all.dir = b.top, b.dir
		}
	}
	return all, nil
}

func gatherOne(arg string) (batch, error) {
	entries, err := os.ReadDir(arg)
	if err != nil {
		return batch{}, fmt.Errorf("read runs: %w", err)
	}
	if isFile(filepath.Join(arg, reports.RunFile)) {
		r, err := reports.ReadRun(filepath.Join(arg, reports.RunFile))
		return batch{top: arg, results: []*record.Result{r}, folders: []string{arg}}, err
	}
	var dated, others []string
	for _, e := range entries {
		sub := filepath.Join(arg, e.Name())
		switch {
		case !holdsRuns(sub):
		case isInvocation(e.Name()):
			dated = append(dated, sub)
		default:
			others = append(others, sub)
		}
	}
	dir := arg
	switch {
	case holdsRuns(arg):
	case len(dated) > 0:
		dir = slices.Max(dated)
	case len(others) > 0:
		return batch{}, fmt.Errorf("%s holds several folders of runs (%s): name one", arg, strings.Join(others, ", "))
	default:
		return batch{}, fmt.Errorf("no runs in %s: a run's folder holds %s, as `hadrill run` and `hadrill analyze` write it", arg, reports.RunFile)
	}
	b := batch{top: arg, dir: dir, unjudged: logsWithoutResult(dir)}
	b.results, b.folders, err = reports.ReadSuite(dir)
	if err == nil && len(b.results) == 0 {
		err = fmt.Errorf("no judged run in %s; `hadrill analyze` judges %s", dir, strings.Join(b.unjudged, " "))
	}
	return b, err
}

// holdsRuns tells whether a folder directly holds folders of runs.
func holdsRuns(dir string) bool {
	entries, _ := os.ReadDir(dir) // what cannot be read holds nothing that can be
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		run := filepath.Join(dir, e.Name())
		return isFile(filepath.Join(run, reports.RunFile)) || isFile(filepath.Join(run, runner.LogName))
	})
}

func logsWithoutResult(dir string) []string {
	var out []string
	entries, _ := os.ReadDir(dir) // read a moment ago
	for _, e := range entries {
		run := filepath.Join(dir, e.Name())
		if isFile(filepath.Join(run, runner.LogName)) && !isFile(filepath.Join(run, reports.RunFile)) {
			out = append(out, run)
		}
	}
	return out
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// scope is what the commands that weigh runs have in common.
type scope struct {
	profile  string
	baseline []string
	allowNew bool
}

func (s *scope) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.profile, "profile", "", "all scenarios of this profile should have run; without it, those that the runs' own scorecard declares")
	cmd.Flags().StringArrayVar(&s.baseline, "baseline", nil, "folder of runs to compare with; may be given several times, for several nights")
	s.newFlag(cmd)
}

func (s *scope) newFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.allowNew, "allow-new", false, "scenarios that the baseline lacks are held to their absolute targets alone")
}

// suite gathers runs, what they should have been, and their baseline.
func (a *app) suite(args []string, s scope) (batch, reports.Suite, error) {
	now, err := gather(args)
	if err != nil {
		return batch{}, reports.Suite{}, err
	}
	out := reports.Suite{Dir: now.dir, Results: now.results, Folders: now.folders}
	if out.Declared, err = a.declared(now, s.profile); err != nil {
		return batch{}, reports.Suite{}, err
	}
	if len(s.baseline) > 0 {
		before, err := gather(s.baseline)
		if err != nil {
			return batch{}, reports.Suite{}, err
		}
		if err := comparable(before, now, s.allowNew); err != nil {
			return batch{}, reports.Suite{}, err
		}
		out.Baseline = safe(before.results)
	}
	return now, out, nil
}

// declared is what should have run: the profile's scenarios where one is
// named, else what the runs' own scorecard says, else what did run.
func (a *app) declared(b batch, profile string) ([]record.Scenario, error) {
	if profile != "" {
		p, err := runner.ParseProfile(profile)
		if err != nil {
			return nil, usage("--profile: %v", err)
		}
		chosen, err := a.choose(nil, p)
		return declarations(chosen), err
	}
	if b.dir == "" || !isFile(filepath.Join(b.dir, reports.CardFile)) {
		return nil, nil
	}
	card, err := reports.ReadScorecard(filepath.Join(b.dir, reports.CardFile))
	if err != nil {
		return nil, usage("%v; name the --profile that should have run", err)
	}
	var out []record.Scenario
	for _, row := range card.Rows {
		for _, s := range row.Scenarios {
			d := record.Scenario{Name: s.Name, Row: row.Name, Doc: s.Doc, TwinOf: s.TwinOf, Expect: s.Expect}
			if s.Fault != reports.NoFault {
				d.Faults = []record.FaultPlan{{Fault: s.Fault}}
			}
			out = append(out, d)
		}
	}
	return out, nil
}

var errSameRuns = errors.New("the baseline and the runs are the same; `--a-a` tells what the gate makes of equal sides")

// comparable refuses what would silently not be compared.
func comparable(before, now batch, allowNew bool) error {
	runs := map[string]bool{}
	for _, r := range before.results {
		runs[r.Scenario.Name+"\x00"+r.Run] = true
	}
	for _, r := range now.results {
		if runs[r.Scenario.Name+"\x00"+r.Run] {
			return usage("%s: %w", now.named, errSameRuns)
		}
	}
	lacking, shared := lacks(before.results, now.results)
	switch {
	case allowNew, len(lacking) == 0:
		return nil
	case shared == 0:
		return usage("the baseline %s has none of the scenarios of %s: nothing can be compared", before.named, now.named)
	}
	return usage("the baseline %s lacks %s; --allow-new holds such scenarios to their absolute targets alone", before.named, strings.Join(lacking, ", "))
}

// lacks lists the safe scenarios of now that before has no run of, and counts
// those that both have.
func lacks(before, now []*record.Result) (lacking []string, shared int) {
	had := map[string]bool{}
	for _, r := range safe(before) {
		had[r.Scenario.Name] = true
	}
	var names []string
	for _, r := range safe(now) {
		names = append(names, r.Scenario.Name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if had[name] {
			shared++
		} else {
			lacking = append(lacking, name)
		}
	}
	return lacking, shared
}

// safe leaves out the known-bad twins: how badly they fail is no promise of
// anybody's, and no regression when it changes.
func safe(results []*record.Result) []*record.Result {
	out := []*record.Result{}
	for _, r := range results {
		if r.Scenario.TwinOf == "" {
			out = append(out, r)
		}
	}
	return out
}

// counted is "1 run" or "7 runs".
func counted(n int, one, many string) string {
	return fmt.Sprintf("%d %s", n, map[bool]string{true: one, false: many}[n == 1])
}

// page is where the batch's scorecard is shown, "" when there is none.
func (b batch) page() string {
	p := filepath.Join(cmp.Or(b.top, b.dir), reports.PageFile)
	if b.dir == "" || !isFile(p) {
		return ""
	}
	return p
}
