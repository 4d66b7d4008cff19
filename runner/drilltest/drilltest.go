// Package drilltest runs drills inside Go tests, one's own included:
//
//	func TestOurCacheSurvives(t *testing.T) {
//		drilltest.Test(t, runner.Scenario{ ... })
//	}
//
// A safe scenario must pass; a twin must be caught for the declared reason;
// anything inconclusive or vacuous fails the test. Each run's folder is kept
// and its path is logged; HADRILL_RUNS chooses where.
package drilltest

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/runner/suite"
)

// spareTime is kept before the test's deadline for healing and clean-up.
const spareTime = 20 * time.Second

// Test runs one scenario as a test.
func Test(t *testing.T, s runner.Scenario) {
	t.Helper()
	New(t).Drill(t, s)
}

// Session is the drills of one test function: they share the engine and the
// folder, and a scorecard over all of them is written when the test ends.
// Its methods may be called from parallel subtests.
type Session struct {
	Dir    string // folder of the run folders
	engine *engine.Engine
	slots  *suite.Slots

	mu       sync.Mutex
	results  []*record.Result
	dirs     []string
	declared []record.Scenario // also what could not be judged: coverage counts it
}

// New opens a session that ends with t. It fails t when no container engine
// answers, and skips only under -short.
func New(t *testing.T) *Session {
	t.Helper()
	if testing.Short() {
		t.Skip("not run under -short: drills need containers and minutes")
	}
	eng, err := engine.Connect(context.Background())
	require.NoError(t, err, "drills need a container engine")
	s := &Session{engine: eng, Dir: folder(t), slots: suite.NewSlots(parallel(t))}
	t.Logf("run folders: %s", s.Dir)
	t.Cleanup(func() {
		s.conclude(t)
		assert.NoError(t, eng.Close())
	})
	return s
}

func folder(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("HADRILL_RUNS"); dir != "" {
		abs, err := filepath.Abs(dir)
		require.NoError(t, err)
		return abs
	}
	dir, err := os.MkdirTemp("", "hadrill-runs-")
	require.NoError(t, err)
	return dir
}

// parallel is how many medium drills may run side by side in parallel subtests.
func parallel(t *testing.T) int {
	t.Helper()
	text := os.Getenv("HADRILL_PARALLEL")
	if text == "" {
		return 2
	}
	n, err := strconv.Atoi(text)
	require.Truef(t, err == nil && n >= 1, "HADRILL_PARALLEL=%q: want a number from 1", text)
	return n
}

// Drill runs one scenario and judges it as the package says. In parallel
// subtests drills share the machine by their weights, as in a suite. A drill
// that no longer fits before the test's deadline is not started: it is named
// as not run, which is not a pass.
func (s *Session) Drill(t *testing.T, scenario runner.Scenario) suite.Outcome {
	t.Helper()
	s.mu.Lock()
	s.declared = append(s.declared, scenario.Declaration())
	s.mu.Unlock()
	release, err := s.slots.Take(t.Context(), scenario.Weight)
	require.NoError(t, err, "not run")
	defer release()
	requireTime(t, scenario)
	out := suite.Drill(t.Context(), scenario, runner.Options{
		Engine: s.engine, Dir: s.Dir, Seed: 1, Repeat: 1, Command: "hadrill run --seed 1 " + scenario.Name,
	})
	t.Logf("run folder: %s", out.Dir)
	if out.Result != nil {
		s.mu.Lock()
		s.results, s.dirs = append(s.results, out.Result), append(s.dirs, out.Dir)
		s.mu.Unlock()
	}
	require.NoError(t, out.Err)
	require.NotNil(t, out.Result)
	if scenario.TwinOf != "" {
		assert.Truef(t, out.AsExpected(), "the twin must fail on %v, but: %s: %s", scenario.Expect, out.Result.Verdict, out.Result.Reason)
	} else {
		assert.Truef(t, out.AsExpected(), "%s: %s", out.Result.Verdict, out.Result.Reason)
	}
	return out
}

func requireTime(t *testing.T, s runner.Scenario) {
	t.Helper()
	deadline, ok := t.Deadline()
	if !ok {
		return
	}
	if left := time.Until(deadline) - spareTime; left < runner.Estimate(s) {
		t.Fatalf("not run: takes about %v, and only %v are left before the test's deadline; raise -timeout or name fewer scenarios", runner.Estimate(s), left.Round(time.Second))
	}
}

// conclude writes the scorecard over everything that was run.
func (s *Session) conclude(t *testing.T) {
	if len(s.results) == 0 {
		return
	}
	card := reports.Suite{Dir: s.Dir, Results: s.results, Folders: s.dirs, Declared: s.declared}
	if assert.NoError(t, card.Write()) {
		t.Logf("scorecard: %s", filepath.Join(s.Dir, "index.html"))
	}
	folders := map[string]string{}
	for i, r := range s.results {
		folders[r.Run] = s.dirs[i]
	}
	reports.Console{Folders: folders}.Print(os.Stdout, s.results)
}
