package runner

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

type nothing struct{}

func (nothing) Name() string { return "nothing" }
func (nothing) Start(context.Context, *harness.Env) (harness.Running, error) {
	return nil, context.Canceled
}

func valid() Scenario {
	return Scenario{
		Name: "test/nothing/null", Row: "test/nothing", Doc: "Nothing happens.", Profile: Quick,
		System: nothing{}, Load: load.HTTP{Rate: 10}, Duration: time.Second,
		SLO: record.SLO{Latency: time.Millisecond}, Promises: Promises{NoErrors()},
	}
}

func TestAScenarioThatCannotBeRunIsRefusedByName(t *testing.T) {
	require.NoError(t, valid().Validate())
	for _, c := range []struct {
		why    string
		change func(*Scenario)
		says   string
	}{
		{"a name that is no path", func(s *Scenario) { s.Name = "Kill It" }, `name "Kill It"`},
		{"a row that is not the name's beginning", func(s *Scenario) { s.Row = "other" }, `row "other"`},
		{"an unknown profile", func(s *Scenario) { s.Profile = "weekly" }, `profile "weekly"`},
		{"no system", func(s *Scenario) { s.System = nil }, "no system"},
		{"no load", func(s *Scenario) { s.Load = nil }, "no load"},
		{"an unbounded load", func(s *Scenario) { s.Duration = 2 * time.Hour }, "bounded"},
		{"no promises", func(s *Scenario) { s.Promises = nil }, "cannot be judged"},
		{"an SLO that nothing can meet", func(s *Scenario) { s.SLO.Latency = 0 }, "SLO latency"},
		{"a twin that must not fail on anything", func(s *Scenario) { s.TwinOf = "test/nothing/x" }, "a twin names both"},
		{"a twin that must fail on what is not promised", func(s *Scenario) { s.TwinOf, s.Expect = "x", FailsOn("rto") }, `expect "rto"`},
		{"a fault after the load", func(s *Scenario) {
			s.Faults = faults.Schedule{faults.At(time.Minute, faults.Kill(harness.Primary))}
		}, "the load lasts only"},
		{"a fault step without a fault", func(s *Scenario) { s.Faults = faults.Schedule{{At: 1}} }, "no fault given"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := valid()
			c.change(&s)
			assert.ErrorContains(t, s.Validate(), c.says)
		})
	}
}

func TestADeclarationHasItsDefaultsFilledIn(t *testing.T) {
	d := valid().Declaration()
	assert.Equal(t, 100*time.Millisecond, d.SLO.Slice)
	assert.Equal(t, 5*time.Second, d.SLO.Stable)
	assert.Equal(t, 100*time.Millisecond, d.Resolution)
	assert.InDelta(t, 1, d.Critical, 0)
	assert.NotZero(t, d.SLO.Success)
}
