package scenarios_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/scenarios"
)

func TestEveryDeclarationIsValid(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios.All() {
		assert.NoError(t, s.Validate())
		assert.NotEmptyf(t, s.Doc, "%s says what it shows", s.Name)
		assert.Falsef(t, seen[s.Name], "%s is declared twice", s.Name)
		seen[s.Name] = true
	}
}

func TestEveryTwinNamesItsSafeScenarioAndDiffersFromIt(t *testing.T) {
	byName := map[string]runner.Scenario{}
	for _, s := range scenarios.All() {
		byName[s.Name] = s
	}
	for _, s := range scenarios.All() {
		if s.TwinOf == "" {
			continue
		}
		safe, ok := byName[s.TwinOf]
		if !assert.Truef(t, ok, "%s: its safe scenario %s exists", s.Name, s.TwinOf) {
			continue
		}
		assert.Equal(t, safe.Row, s.Row)
		assert.Equalf(t, safe.Promises, s.Promises, "%s is held to the same promises as %s", s.Name, s.TwinOf)
		a, b := safe.Declaration(), s.Declaration()
		assert.Falsef(t, a.Config == b.Config && reflect.DeepEqual(a.Faults, b.Faults), "%s changes a setting of %s, or what happens to it", s.Name, s.TwinOf)
	}
}

// The rows whose instrument is itself under test have no twin.
func TestEveryRowOfASystemHasACaughtTwin(t *testing.T) {
	rows := map[string]bool{}
	for _, s := range scenarios.All() {
		rows[s.Row] = rows[s.Row] || s.TwinOf != ""
	}
	delete(rows, "calibration")
	for row, twin := range rows {
		assert.Truef(t, twin, "row %s has a known-bad twin", row)
	}
}

// A fault that nobody but its injector has seen proves nothing: every one of
// the catalogue has a selftest of its name.
func TestEveryFaultOfTheCatalogueHasASelftest(t *testing.T) {
	byName := map[string]runner.Scenario{}
	for _, s := range scenarios.All() {
		byName[s.Name] = s
	}
	for _, e := range faults.Catalogue() {
		s, ok := byName["faults/selftest/"+e.Name]
		if !assert.Truef(t, ok, "fault %s has a selftest", e.Name) {
			continue
		}
		if assert.NotEmptyf(t, s.Faults, s.Name) {
			assert.Equal(t, e.Name, s.Faults[0].Fault.Spec().Fault)
		}
		// A disk's lie shows only when the power goes.
		assert.Truef(t, len(s.Faults) == 1 || e.Name == "lying-sync" && len(s.Faults) == 2, "%s shows one fault", s.Name)
		assert.Truef(t, slices.ContainsFunc(s.Promises, demands), "%s demands that the damage is seen", s.Name)
	}
}

// A run that ends before the limit of a promise has passed can only be
// inconclusive.
func TestEverySelftestLastsAsLongAsItsPromises(t *testing.T) {
	for _, s := range scenarios.All() {
		if s.Row != "faults/selftest" && s.Row != "disk/redis-single" || len(s.Faults) == 0 {
			continue
		}
		for _, o := range s.Promises {
			if o.Kind == record.KindRTO {
				left := s.Duration - s.Faults[0].At - s.SLO.Stable
				assert.LessOrEqualf(t, o.Limit, left.Seconds(), "%s ends before its limit has passed and a stable window after it", s.Name)
			}
		}
	}
}

// demands tells whether an objective is one that a run without the fault fails
// on: more of what is bad, or less of what is good.
func demands(o record.Objective) bool {
	ratio := o.Unit == "ratio"
	return ratio && !o.Higher || !ratio && o.Higher
}
