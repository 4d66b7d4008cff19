package command

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/runner/suite"
)

// sweeping is hadrill with a sweep of one of its scenarios.
func sweeping() (*app, *bytes.Buffer) {
	var out bytes.Buffer
	a := testApp()
	a.out = &out
	a.sweeps = []runner.Sweep{
		runner.SweepOver(a.scenarios[1], "down-after", "what it costs", []time.Duration{200 * time.Millisecond, time.Second},
			func(s *runner.Scenario, d time.Duration) { s.System = redis.Sentinel{DownAfter: d} }),
		runner.SweepOver(a.scenarios[3], "node-timeout", "what it costs", []time.Duration{time.Second, 2 * time.Second},
			func(s *runner.Scenario, d time.Duration) { s.System = redis.Cluster{NodeTimeout: d} }),
	}
	return a, &out
}

func TestBadNamesOfSweepsAreOneClearError(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"sweep", "name a scenario; `hadrill sweep --list` lists the 2 that have a sweep"},
		{"sweep cache/redis-sentinel/primary-kil", "did you mean cache/redis-sentinel/primary-kill?"},
		{"sweep cache/redis-sentinel/primary-pause", "cache/redis-sentinel/primary-pause has no sweep"},
		{"sweep --list nothing-like-it", `unknown scenario "nothing-like-it"`},
		{"sweep --repeat 0 cache", "--repeat 0: wants 1 to 1000"},
		{"sweep --at 3s cache/redis-sentinel", "--at 3s: there are the places 200ms, 1s"},
	} {
		t.Run(c.args, func(t *testing.T) {
			a, _ := sweeping()
			root := a.root()
			root.SetArgs(strings.Fields(c.args))
			err := root.Execute()
			require.Error(t, err)
			assert.ErrorContains(t, err, c.says)
			assert.Equal(t, exitUsage, a.report(err))
		})
	}
}

func TestSweepsAreChosenAsScenariosAre(t *testing.T) {
	a, _ := sweeping()
	chosen, err := a.chooseSweeps([]string{"cache"}, sweepFlags{repeat: 1, at: []string{"1s"}})
	require.NoError(t, err)
	require.Len(t, chosen, 2)
	assert.Len(t, chosen[0].Points, 1)
	assert.Len(t, a.sweeps[0].Points, 2, "what was declared is left alone")
}

func TestTheListingOfSweeps(t *testing.T) {
	a, out := sweeping()
	root := a.root()
	root.SetArgs([]string{"sweep", "--list", "--json"})
	require.NoError(t, root.Execute())
	var first listedSweep
	require.NoError(t, json.NewDecoder(out).Decode(&first))
	assert.Equal(t, listedSweep{"cache/redis-sentinel/primary-kill", "down-after", "s", []string{"200ms", "1s"}, "what it costs"}, first)
}

func TestAPlaceThatWasNotMeasuredIsExit2AndARunThatFellOverIsSaid(t *testing.T) {
	a, out := sweeping()
	w := a.sweeps[0]
	pass := &record.Result{Verdict: record.Pass, Scenario: record.Scenario{Name: "x"}, Figures: []record.Figure{{Name: "rto", Unit: "s", Value: 1}}}
	pass.Instrument.Quiet = true
	noisy := &record.Result{Verdict: record.Inconclusive, Reason: "noise"}
	dir := t.TempDir()
	for _, c := range []struct {
		name   string
		second suite.Outcome
		code   int
	}{
		{"all measured", suite.Outcome{Result: pass}, exitPass},
		{"one only noise", suite.Outcome{Result: noisy}, exitInconclusive},
		{"one fell over", suite.Outcome{Err: runner.ErrUnsupported}, exitInconclusive},
	} {
		t.Run(c.name, func(t *testing.T) {
			out.Reset()
			measured := measuredSweep(w, sweepFlags{repeat: 1, seed: 7}, [][]suite.Outcome{{{Result: pass}}, {c.second}})
			err := a.concludeSweeps(t.Context(), dir, dir, []reports.Sweep{measured}, false, exitPass, nil)
			code := exitPass
			if err != nil {
				code, _ = codeOf(err)
			}
			assert.Equal(t, c.code, code)
			assert.Contains(t, out.String(), "down-after")
			assert.Contains(t, out.String(), "page: ")
		})
	}
}
