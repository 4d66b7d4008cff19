package runner_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

func swept() runner.Scenario {
	return runner.Scenario{
		Name: "ours/cache/primary-kill", Row: "ours/cache", Profile: runner.Quick,
		System: redis.Sentinel{Replicas: 2, Sentinels: 3, DownAfter: time.Second}, Load: load.Sets{Rate: 10, Sets: 1},
		Duration: time.Second, SLO: record.SLO{Latency: time.Second}, Promises: runner.Promises{runner.RTO(time.Second, 2*time.Second)},
	}
}

func turn(s *runner.Scenario, d time.Duration) {
	s.System = redis.Sentinel{Replicas: 2, Sentinels: 3, DownAfter: d}
	s.Promises[0] = runner.RTO(d, 2*d)
}

func TestASweepIsTheScenarioWithOneSettingTurned(t *testing.T) {
	base := swept()
	w := runner.SweepOver(base, "down-after-milliseconds", "what it costs", []time.Duration{200 * time.Millisecond, 2 * time.Second}, turn)
	assert.NoError(t, w.Validate())
	assert.Equal(t, "ours/cache/primary-kill/200ms", w.Points[0].Scenario.Name)
	assert.Equal(t, []float64{.2, 2}, []float64{w.Points[0].Value, w.Points[1].Value})
	assert.Equal(t, 4.0, w.Points[1].Scenario.Promises[0].Limit, "a promise may depend on the setting")
	assert.Equal(t, 1.0, base.Promises[0].Target, "and the base keeps its own")
}

func TestASweepWithMistakesSaysWhich(t *testing.T) {
	second := []time.Duration{time.Second}
	for _, c := range []struct {
		name  string
		sweep runner.Sweep
		says  string
	}{
		{"one point compares nothing", runner.SweepOver(swept(), "x", "doc", second, turn), "1 points"},
		{"falling values", runner.SweepOver(swept(), "x", "doc", []time.Duration{2 * time.Second, time.Second}, turn), "rising order"},
		{"a knob that turns nothing", runner.SweepOver(swept(), "x", "doc", []time.Duration{1, 2}, func(*runner.Scenario, time.Duration) {}), "same configuration"},
		{"a point that is no scenario", runner.SweepOf(swept(), "x", "doc", runner.Choice{Label: "none", Turn: func(s *runner.Scenario) { s.System = nil }}), "no system"},
		{"no words", runner.SweepOver(swept(), "", "", second, turn), "a setting and a doc"},
	} {
		t.Run(c.name, func(t *testing.T) { assert.ErrorContains(t, c.sweep.Validate(), c.says) })
	}
}
