package scenarios_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/scenarios"
)

func TestEverySweepIsValidAndVariesAScenarioOfTheMatrix(t *testing.T) {
	byName := map[string]runner.Scenario{}
	for _, s := range scenarios.All() {
		byName[s.Name] = s
	}
	for _, w := range scenarios.Sweeps() {
		assert.NoError(t, w.Validate())
		base, known := byName[w.Scenario]
		if !assert.Truef(t, known, "%s is declared", w.Scenario) {
			continue
		}
		same := false
		for _, p := range w.Points {
			assert.Equalf(t, base.Faults, p.Scenario.Faults, "%s at %s: the schedule is the scenario's own", w.Scenario, p.Label)
			same = same || base.Declaration().Config == p.Scenario.Declaration().Config
		}
		assert.Truef(t, same, "%s over %s: one place is the scenario itself", w.Scenario, w.Setting)
	}
}
