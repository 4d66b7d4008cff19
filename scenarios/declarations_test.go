package scenarios_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/runner"
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
		assert.NotEqualf(t, safe.Declaration().Config, s.Declaration().Config, "%s changes a setting of %s", s.Name, s.TwinOf)
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
