package command

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner"
)

func testApp() *app {
	return &app{out: io.Discard, err: io.Discard, scenarios: []runner.Scenario{
		{Name: "calibration/known-outage", Profile: runner.Quick},
		{Name: "cache/redis-sentinel/primary-kill", Profile: runner.Quick},
		{Name: "cache/redis-sentinel/primary-pause", Profile: runner.Nightly},
		{Name: "cache/redis-cluster/kill", Profile: runner.Soak},
	}}
}

func names(scenarios []runner.Scenario) []string {
	var out []string
	for _, s := range scenarios {
		out = append(out, s.Name)
	}
	return out
}

func TestScenariosAreChosenByNamePrefixGlobOrProfile(t *testing.T) {
	for _, c := range []struct {
		name     string
		patterns []string
		profile  runner.Profile
		want     []string
	}{
		{"exact name", []string{"cache/redis-sentinel/primary-kill"}, runner.Quick, []string{"cache/redis-sentinel/primary-kill"}},
		{"prefix ends at a slash", []string{"cache/redis-sentinel"}, runner.Quick, []string{"cache/redis-sentinel/primary-kill", "cache/redis-sentinel/primary-pause"}},
		{"glob", []string{"cache/*/*kill"}, runner.Quick, []string{"cache/redis-sentinel/primary-kill", "cache/redis-cluster/kill"}},
		{"declared order, each once", []string{"cache/redis-sentinel/primary-kill", "calibration", "cache"}, runner.Quick,
			[]string{"calibration/known-outage", "cache/redis-sentinel/primary-kill", "cache/redis-sentinel/primary-pause", "cache/redis-cluster/kill"}},
		{"no name: the profile", nil, runner.Quick, []string{"calibration/known-outage", "cache/redis-sentinel/primary-kill"}},
		{"a profile includes the smaller ones", nil, runner.Nightly, []string{"calibration/known-outage", "cache/redis-sentinel/primary-kill", "cache/redis-sentinel/primary-pause"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := testApp().choose(c.patterns, c.profile)
			require.NoError(t, err)
			assert.Equal(t, c.want, names(got))
		})
	}
}

func TestAPatternThatMatchesNothingIsBadUsageAndNamesTheNearest(t *testing.T) {
	_, err := testApp().choose([]string{"cache/redis-sentinel/primary-kil"}, runner.Quick)
	require.Error(t, err)
	assert.ErrorContains(t, err, "did you mean cache/redis-sentinel/primary-kill?")
	assert.Equal(t, exitUsage, testApp().report(err))
}

func TestBadUsageExits64(t *testing.T) {
	for _, args := range [][]string{
		{"run", "no/such"}, {"run", "--repeat", "0"}, {"run", "--parallel", "99"}, {"run", "--profile", "weekly"},
		{"run", "--no-such-flag"}, {"no-such-command"}, {"analyze"}, {"analyze", "no-such-folder"}, {"open", "no-such-folder"}, {"list", "no/such"}, {"setup", "no-such"},
	} {
		a := testApp()
		root := a.root()
		root.SetArgs(args)
		assert.Equalf(t, exitUsage, a.report(root.Execute()), "hadrill %v", args)
	}
}
