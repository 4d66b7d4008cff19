package suite_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/suite"
)

func TestRoundsThatWereInterruptedNameEveryRunThatIsMissing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	started := 0
	outcomes := suite.Rounds{
		Scenarios: []runner.Scenario{{Name: "a"}, {Name: "b"}}, Repeat: 2,
		Done: func(suite.Outcome) { started++ },
	}.Run(ctx)
	require.Len(t, outcomes, 2)
	for i, name := range []string{"a", "b"} {
		require.Len(t, outcomes[i], 2)
		for round, o := range outcomes[i] {
			assert.Equal(t, round+1, o.Repeat)
			assert.ErrorIs(t, o.Err, runner.ErrInterrupted)
			assert.ErrorContains(t, o.Err, name)
		}
	}
	assert.Zero(t, started)
}
