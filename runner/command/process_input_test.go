package command_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/scenarios"
)

// noEngine points at a socket that is not there.
var noEngine = []string{"DOCKER_HOST=unix:///nonexistent/engine.sock"}

func TestWithoutAnEngineEveryCommandSaysWhatIsMissingAndHowToGetIt(t *testing.T) {
	for _, args := range [][]string{
		{"run", "--dir", "DIR", "calibration"}, {"plan", "calibration"}, {"clean"}, {"doctor"},
	} {
		t.Run(args[0], func(t *testing.T) {
			dir := t.TempDir()
			for i, a := range args {
				args[i] = strings.ReplaceAll(a, "DIR", dir)
			}
			p := run(t, noEngine, args...)
			assert.Equal(t, 69, p.code())
			said := p.complaint()
			assert.Contains(t, said, "no container engine", "what")
			assert.Contains(t, said, "/nonexistent/engine.sock: no such socket", "why")
			assert.Contains(t, said, "hadrill setup", "remedy")
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Empty(t, entries, "a run that never began leaves no folder")
		})
	}
}

func TestBadUsageIsExit64AndNamesTheWord(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"run cache/redis-sentinel/primary-kil", "did you mean cache/redis-sentinel/primary-kill?"},
		{"run nothing-like-it", `unknown scenario "nothing-like-it"`},
		{"run [", "syntax error in pattern"},
		{"run --profile weekly", "[quick nightly soak]"},
		{"run --repeat 0", "1 to 1000"},
		{"run --repeat two", `"two"`},
		{"run --parallel 99", "1 to 16"},
		{"run --seed -1", "--seed"},
		{"run --faster", "unknown flag: --faster"},
		{"run --dir", "needs an argument: --dir"},
		{"plan --profile weekly", "[quick nightly soak]"},
		{"list nothing-like-it", `unknown scenario "nothing-like-it"`},
		{"analyze", "name a run folder"},
		{"analyze /nonexistent", "no event log"},
		{"open /nonexistent", "no page there"},
		{"clean everything", "everything"},
		{"frobnicate", `unknown command "frobnicate"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			// Usage is checked before anything is asked of an engine.
			p := run(t, noEngine, strings.Fields(c.args)...)
			assert.Equal(t, 64, p.code())
			assert.Contains(t, p.complaint(), c.says)
			assert.Empty(t, p.out.String(), "standard output is for results")
		})
	}
}

func TestTheListingHasEveryKeyForEveryScenario(t *testing.T) {
	p := run(t, noEngine, "list", "--json")
	require.Equal(t, 0, p.code())
	lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
	declared := scenarios.All()
	require.Len(t, lines, len(declared))
	for i, line := range lines {
		var keys map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(line), &keys), line)
		for _, key := range []string{"name", "row", "profile", "twin_of", "expect", "promises"} {
			assert.Contains(t, keys, key, line)
		}
		var s struct {
			Name, Row, Profile string
			TwinOf             string `json:"twin_of"`
			Expect             []string
			Promises           []struct{ Name string }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &s), line)
		assert.Equal(t, declared[i].Name, s.Name)
		assert.Equal(t, declared[i].Row, s.Row)
		assert.Equal(t, string(declared[i].Profile), s.Profile)
		assert.Equal(t, declared[i].TwinOf, s.TwinOf)
		assert.NotNil(t, s.Expect, "a list also where it is empty")
		assert.ElementsMatch(t, declared[i].Expect, s.Expect)
		assert.Len(t, s.Promises, len(declared[i].Promises))
	}
}

// The drills as Go tests: without an engine they fail, and only -short lets
// them be skipped.
func TestDrillsInGoTestsFailWithoutAnEngineAndAreSkippedUnderShort(t *testing.T) {
	if testing.Short() {
		t.Skip("not run under -short: links a test program")
	}
	drills := filepath.Join(t.TempDir(), "scenarios.test")
	build := exec.Command("go", "test", "-c", "-o", drills, "./scenarios")
	build.Dir = moduleRoot
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	start := func(args ...string) (string, error) {
		cmd := exec.Command(drills, append(args, "-test.v", "-test.run", "^TestScenarios$/calibration")...)
		cmd.Dir = filepath.Join(moduleRoot, "scenarios")
		cmd.Env = append(os.Environ(), noEngine...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	said, err := start()
	require.Error(t, err, "a drill that could not run is not a pass")
	assert.Contains(t, said, "--- FAIL: TestScenarios")
	assert.Contains(t, said, "drills need a container engine")
	assert.Contains(t, said, "no container engine answers: /nonexistent/engine.sock: no such socket")
	assert.Contains(t, said, "remedy: ")

	said, err = start("-test.short")
	require.NoError(t, err, said)
	assert.Contains(t, said, "--- SKIP: TestScenarios")
	assert.Contains(t, said, "not run under -short")
}
