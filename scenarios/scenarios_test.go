package scenarios_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/drilltest"
	"github.com/hadrill/hadrill/scenarios"
)

// TestScenarios runs every scenario of the profile that HADRILL_PROFILE names
// (quick, if none) against the real systems, one subtest each: a safe one must
// pass, a twin must be caught for the declared reason. Drills share the machine
// by their weights; HADRILL_PARALLEL=1 runs one after the other.
func TestScenarios(t *testing.T) {
	name := os.Getenv("HADRILL_PROFILE")
	if name == "" {
		name = string(runner.Quick)
	}
	profile, err := runner.ParseProfile(name)
	require.NoError(t, err, "HADRILL_PROFILE")
	session := drilltest.New(t)
	for _, s := range scenarios.All() {
		if profile.Includes(s.Profile) {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				session.Drill(t, s)
			})
		}
	}
}
