package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
)

const second = time.Second

func TestTheGateTellsItsAnswerByItsExitCode(t *testing.T) {
	base := store(t, t.TempDir(), kills(8, second, 0)...)
	few := store(t, t.TempDir(), kills(5, second, 0)...)
	caught := stored{scenario: "cache/redis-sentinel/primary-kill-unguarded", twinOf: primaryKill, outage: 4 * second, repeat: 1, night: 1}
	missed := caught
	missed.outage = second
	for _, c := range []struct {
		name     string
		runs     []stored
		baseline string
		code     int
		says     []string
	}{
		{"kept promises", kills(2, second, 1), "", 0, []string{"gate: pass (exit 0)"}},
		{"kept promises and a caught twin", append(kills(2, second, 1), caught), "", 0, []string{"gate: pass"}},
		{"a broken promise", append(kills(2, second, 1), stored{scenario: primaryKill, outage: 4 * second, repeat: 3, night: 1}), "", 1,
			[]string{"gate: fail (exit 1)", "rto is 4 s, limit ≤ 3 s (1 of 3 runs)"}},
		{"a missed twin", append(kills(2, second, 1), missed), "", 1, []string{"gate: missed (exit 1)", "known-bad twin of " + primaryKill + " must fail on rto"}},
		{"an unproven fault", []stored{{scenario: primaryKill, outage: second, unproven: true, repeat: 1, night: 1}}, "", 2, []string{"inconclusive"}},
		{"nothing exercised", []stored{{scenario: primaryKill, silent: true, repeat: 1, night: 1}}, "", 2, []string{"gate: vacuous (exit 2)"}},
		{"the same as the baseline", kills(8, second, 1), base, 0, []string{"gate: pass"}},
		{"slower than the baseline, within every limit", kills(8, 2*second, 1), base, 3, []string{"gate: regression (exit 3)", "rto: 1.03 s [1 s, 1.08 s] n=8 -> 2.03 s", "worse by 1 s"}},
		{"slower, but too few runs to say so", kills(5, 2*second, 1), base, 0, []string{"only the absolute targets gate"}},
		{"slower than a baseline of too few runs", kills(8, 2*second, 1), few, 0, []string{"only the absolute targets gate"}},
		{"too few runs to compare, but past the limit", kills(5, 4*second, 1), base, 1, []string{"gate: fail"}},
		{"worse in both ways", append(kills(8, 2*second, 1), stored{scenario: primaryKill, outage: 4 * second, repeat: 9, night: 1}), base, 3,
			[]string{"gate: regression (exit 3)", "limit ≤ 3 s (1 of 9 runs)"}},
		{"a toolkit that failed is not the system's fault", []stored{{scenario: primaryKill, outage: second, broken: true, repeat: 1, night: 1}}, "", 70,
			[]string{"gate: harness-error (exit 70)", "no-such-figure"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"gate", store(t, t.TempDir(), c.runs...)}
			if c.baseline != "" {
				args = append(args, "--baseline", c.baseline)
			}
			code, out, errs := hadrill(args...)
			assert.Equal(t, c.code, code, out+errs)
			for _, want := range c.says {
				assert.Contains(t, out, want)
			}
			for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
				assert.True(t, strings.HasPrefix(line, "  "), "one line a reason: %q", line)
			}
		})
	}
}

func TestWhatWasDeclaredAndDidNotRunIsInconclusive(t *testing.T) {
	runs := store(t, t.TempDir(), kills(2, second, 0)...)
	code, out, _ := hadrill("gate", "--profile", "nightly", runs)
	assert.Equal(t, 2, code, out)
	assert.Contains(t, out, "inconclusive  "+pauseKill)
	assert.Contains(t, out, "1 of 3 scenarios measured")

	// The scorecard that `run` wrote remembers it, also without the flag.
	code, _, _ = hadrill("report", "--profile", "nightly", "--no-plots", runs)
	require.Equal(t, 0, code)
	code, out, _ = hadrill("gate", runs)
	assert.Equal(t, 2, code, out)
	assert.Contains(t, out, "did not run")
}

func TestARunThatWasNeverJudgedIsNotOverlooked(t *testing.T) {
	runs := store(t, t.TempDir(), kills(2, second, 0)...)
	cut := filepath.Join(runs, filepath.Base(primaryKill)+"-2-0")
	require.NoError(t, os.Remove(filepath.Join(cut, reports.RunFile)))
	code, out, _ := hadrill("gate", runs)
	assert.Equal(t, 2, code)
	assert.Contains(t, out, "was cut short before it was judged")

	// Analyze judges it from its log alone, and then it counts.
	code, _, errs := hadrill("analyze", cut)
	require.Equal(t, 0, code, errs)
	code, out, _ = hadrill("gate", runs)
	assert.Equal(t, 0, code, out)
}

func TestATwinThatFailsWorseIsNoRegression(t *testing.T) {
	twin := stored{scenario: "cache/redis-sentinel/primary-kill-unguarded", twinOf: primaryKill, outage: 3500 * time.Millisecond}
	base := store(t, t.TempDir(), append(kills(6, second, 0), repeated(twin, 6)...)...)
	twin.outage, twin.night = 4500*time.Millisecond, 1
	now := store(t, t.TempDir(), append(kills(6, second, 1), repeated(twin, 6)...)...)
	code, out, _ := hadrill("gate", "--baseline", base, now)
	assert.Equal(t, 0, code, out)
	code, out, _ = hadrill("compare", base, now)
	assert.Equal(t, 0, code, out)
	assert.NotContains(t, out, "unguarded")
}

func TestABaselineMayBeSeveralNights(t *testing.T) {
	first, then := store(t, t.TempDir(), kills(3, second, 0)...), store(t, t.TempDir(), kills(3, second, 1)...)
	now := store(t, t.TempDir(), kills(6, 2*second, 2)...)
	code, out, _ := hadrill("gate", "--baseline", first, "--baseline", then, now)
	assert.Equal(t, 3, code, out)
}

func TestTheGateTellsItsOwnFalseAlarms(t *testing.T) {
	base := store(t, t.TempDir(), kills(14, second, 0)...)
	now := store(t, t.TempDir(), kills(6, second, 1)...)
	_, out, _ := hadrill("gate", "--a-a", "--baseline", base, now)
	assert.Regexp(t, `false alarms: the gate found a regression in \d+\.\d % of 200 random halvings of the baseline \(14 runs\)`, out)
	_, out, _ = hadrill("gate", "--a-a", now)
	assert.Contains(t, out, "false alarms: not known; halving the runs needs 12 runs of a scenario")

	code, out, _ := hadrill("compare", "--a-a", base)
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "200 random halvings of the runs (14 runs)")
	code, _, _ = hadrill("compare", "--a-a", now)
	assert.Equal(t, 2, code, "what cannot be told is no zero")
}

func TestTheDecisionAsJSON(t *testing.T) {
	runs := store(t, t.TempDir(), kills(2, 4*second, 0)...)
	code, _, _ := hadrill("report", "--no-plots", runs)
	require.Equal(t, 0, code)
	code, out, _ := hadrill("gate", "--json", runs)
	assert.Equal(t, 1, code)
	var d decision
	require.NoError(t, json.Unmarshal([]byte(out), &d))
	assert.Equal(t, "fail", d.Verdict)
	assert.Equal(t, 1, d.Exit)
	assert.NotEmpty(t, d.Letter)
	assert.Equal(t, filepath.Join(runs, "index.html"), d.Page)
	require.Len(t, d.Reasons, 1)
	assert.Equal(t, primaryKill, d.Reasons[0].Scenario)
}

// Bad input is one clear line and exit 64, whatever the command.
func TestBadInput(t *testing.T) {
	good := store(t, t.TempDir(), kills(2, second, 0)...)
	other := store(t, t.TempDir(), stored{scenario: pauseKill, outage: second, repeat: 1})
	both := store(t, t.TempDir(), stored{scenario: pauseKill, outage: second, repeat: 1, night: 1}, stored{scenario: primaryKill, outage: second, repeat: 1, night: 1})
	old := store(t, t.TempDir(), kills(1, second, 0)...)
	future := filepath.Join(old, filepath.Base(primaryKill)+"-1-0", reports.RunFile)
	require.NoError(t, os.WriteFile(future, []byte(`{"schema":99}`), 0o644))
	torn := store(t, t.TempDir(), kills(1, second, 0)...)
	require.NoError(t, os.WriteFile(filepath.Join(torn, filepath.Base(primaryKill)+"-1-0", reports.RunFile), []byte(`{"sch`), 0o644))
	several := t.TempDir()
	store(t, filepath.Join(several, "before"), kills(1, second, 0)...)
	store(t, filepath.Join(several, "after"), kills(1, second, 1)...)
	empty, missing := t.TempDir(), filepath.Join(t.TempDir(), "none")
	run := filepath.Join(good, filepath.Base(primaryKill)+"-1-0")
	for _, c := range []struct {
		says string
		args []string
	}{
		{"name a folder of runs", []string{"gate"}},
		{"name a folder of runs", []string{"report"}},
		{"name a folder of scorecards", []string{"history"}},
		{"name a baseline and the runs", []string{"compare", good}},
		{"no such file", []string{"gate", missing}},
		{"no such file", []string{"report", missing}},
		{"no such file", []string{"compare", missing, good}},
		{"no such file", []string{"history", missing}},
		{"no such file", []string{"gate", "--baseline", missing, good}},
		{"no runs in", []string{"gate", empty}},
		{"no runs in", []string{"report", empty}},
		{"no runs in", []string{"gate", "--baseline", empty, good}},
		{"no scorecard in", []string{"history", empty}},
		{"schema 99", []string{"gate", old}},
		{"schema 99", []string{"report", old}},
		{"schema 99", []string{"compare", good, old}},
		{"unexpected end", []string{"gate", torn}},
		{"name one", []string{"gate", several}},
		{"named twice", []string{"report", good, good}},
		{"has none of the scenarios", []string{"gate", "--baseline", other, good}},
		{"has none of the scenarios", []string{"compare", other, good}},
		{"lacks " + primaryKill, []string{"gate", "--baseline", other, both}},
		{"are the same", []string{"compare", good, good}},
		{"is none of", []string{"gate", "--profile", "weekly", good}},
		{"--out", []string{"report", run}},
		{"--out", []string{"report", good, other}},
		{"would be overwritten", []string{"report", "--out", run, good}},
	} {
		t.Run(strings.Join(c.args[:1], " ")+": "+c.says, func(t *testing.T) {
			code, _, errs := hadrill(c.args...)
			assert.Equal(t, exitUsage, code, errs)
			assert.Contains(t, errs, c.says)
			assert.Equal(t, 1, strings.Count(errs, "\n"), "one line: %s", errs)
		})
	}
	code, out, _ := hadrill("gate", "--allow-new", "--baseline", other, both)
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "not in the baseline, so held to their limits alone: "+primaryKill)
}
