package command

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/runner/suite"
)

func killed() runner.Scenario {
	return runner.Scenario{
		Name: "cache/redis-sentinel/primary-kill", Row: "cache/redis-sentinel", Doc: "The primary is killed.", Profile: runner.Quick,
		System: redis.Sentinel{Replicas: 2, Sentinels: 3}, Load: load.Sets{Rate: 10, Sets: 1, Clients: 1, Timeout: time.Second},
		Duration: 9 * time.Second, SLO: record.SLO{Latency: time.Second}, Promises: runner.Promises{runner.NoLostWrites()},
		Faults: faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))},
		TwinOf: "cache/redis-sentinel/safe", Expect: runner.FailsOn("lost"),
	}
}

// TestFaultsThatAreNoneAreBadUsage: the text is read before anything is
// started, and a caret shows the place.
func TestFaultsThatAreNoneAreBadUsage(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"at 2s kil primary", "at 2s kil primary\n      ^\nhadrill: --faults: position 7: expected a fault, found \"kil\"; did you mean \"kill\"?\n"},
		{"at 9s kill primary", "ends at 9s, but the load lasts only 9s"},
		{"at 1s kill primary; after 3 pause primary", `waits for step "3": there is none`},
		{" ", "found the end"},
	} {
		for _, command := range []string{"run", "plan"} {
			var out, errs bytes.Buffer
			a := &app{scenarios: []runner.Scenario{killed()}, out: &out, err: &errs}
			root := a.root()
			root.SetArgs([]string{command, "--faults", c.text, "cache/redis-sentinel/primary-kill"})
			assert.Equal(t, exitUsage, a.report(root.ExecuteContext(t.Context())), command+" "+c.text)
			assert.Contains(t, errs.String(), c.says)
			assert.Empty(t, out.String())
		}
	}
}

func TestFaultsReplaceThoseOfTheScenario(t *testing.T) {
	a := &app{}
	chosen, err := a.adHoc([]runner.Scenario{killed()}, "on owner for 1s pause primary")
	require.NoError(t, err)
	require.Len(t, chosen, 1)
	assert.Equal(t, "cache/redis-sentinel/primary-kill/ad-hoc", chosen[0].Name)
	assert.Empty(t, chosen[0].TwinOf, "a twin's expectations said something of its own faults")
	assert.Equal(t, "hadrill run --seed 7 --faults 'on owner for 1s pause primary' cache/redis-sentinel/primary-kill", suite.Reproduce(chosen[0], 7))

	same, err := a.adHoc([]runner.Scenario{killed()}, "")
	require.NoError(t, err)
	assert.Equal(t, "hadrill run --seed 7 cache/redis-sentinel/primary-kill", suite.Reproduce(same[0], 7))
}

func TestAPlanChecksWhatADrawMayDraw(t *testing.T) {
	s, err := faults.Parse("at 2s draw 3 in 4s of { kill primary; pause primary }; at 1s stop replica")
	require.NoError(t, err)
	assert.Len(t, possible(s[0].Fault), 2)
	assert.Len(t, possible(s[1].Fault), 1)
}
