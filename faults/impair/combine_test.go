package impair

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCombinedImpairmentsAddUp(t *testing.T) {
	c, err := Combine(Impairment{Delay: 10 * time.Millisecond, Loss: 0.1}, Impairment{Delay: 5 * time.Millisecond, Jitter: 3, Distribution: Pareto, Loss: 0.5, Corrupt: 0.2})
	require.NoError(t, err)
	assert.Equal(t, 15*time.Millisecond, c.Delay)
	assert.Equal(t, Pareto, c.Distribution)
	assert.InDelta(t, 0.55, c.Loss, 1e-9)
	assert.InDelta(t, 0.2, c.Corrupt, 1e-9)

	c, err = Combine(Impairment{Loss: 0.1}, Impairment{Burst: &Burst{EnterBad: 0.1, LeaveBad: 0.4, LossBad: 1}})
	require.NoError(t, err)
	assert.Zero(t, c.Loss)
	assert.InDelta(t, 1-0.9*0.8, c.Burst.Loss(), 1e-9)

	alone := Impairment{Delay: time.Second, Burst: &Burst{EnterBad: 0.1, LossBad: 1}}
	c, err = Combine(Impairment{}, alone)
	require.NoError(t, err)
	assert.Equal(t, alone, c)

	_, err = Combine(alone, alone)
	assert.Error(t, err)
	_, err = Combine(Impairment{Jitter: 1, Distribution: Pareto}, Impairment{Jitter: 1, Distribution: Uniform})
	assert.Error(t, err)
	_, err = Combine(Impairment{Delay: MaxDelay}, Impairment{Delay: 1})
	assert.Error(t, err)
}
