package protect

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRetriesAreAShareOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Budget: &BudgetConfig{Ratio: 0.1, Burst: 5}}, nil)
		retries := 0
		for range 1000 { // every one of a thousand requests fails, and would be retried three times
			g.First()
			for range 3 {
				if g.Retry() {
					retries++
				}
			}
		}
		assert.InDelta(t, 105, retries, 1)
		assert.EqualValues(t, 3000-retries, g.Stats().Denied)
	})
}

func TestTimeAloneEarnsRetriesWhereItIsSaidTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Budget: &BudgetConfig{PerSecond: 2, Burst: 1}}, nil)
		require.True(t, g.Retry())
		require.False(t, g.Retry())
		time.Sleep(500 * time.Millisecond)
		assert.True(t, g.Retry())
	})
}

func TestWithoutABudgetEveryRetryIsAllowed(t *testing.T) {
	g := guarded(t, Config{}, nil)
	for range 1000 {
		require.True(t, g.Retry())
	}
}

func TestNoStretchOfTimeHasMoreRetriesThanDeclared(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			c := BudgetConfig{
				Ratio: rapid.Float64Range(0.01, 1).Draw(rt, "ratio"), PerSecond: rapid.Float64Range(0, 20).Draw(rt, "per second"),
				Burst: rapid.Float64Range(1, 20).Draw(rt, "burst"),
			}
			b := newBudget(c)
			began, firsts, retries := time.Now(), 0, 0
			for range rapid.IntRange(1, 200).Draw(rt, "steps") {
				switch rapid.IntRange(0, 3).Draw(rt, "step") {
				case 0:
					b.first()
					firsts++
				case 1, 2:
					if b.retry() {
						retries++
					}
				case 3:
					time.Sleep(time.Duration(rapid.IntRange(1, 500).Draw(rt, "pause")) * time.Millisecond)
				}
				allowed := c.Burst + c.Ratio*float64(firsts) + c.PerSecond*time.Since(began).Seconds()
				require.LessOrEqual(rt, float64(retries), allowed+1e-9)
			}
		})
	})
}
