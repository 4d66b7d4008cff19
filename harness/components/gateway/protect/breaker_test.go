package protect

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func guarded(t require.TestingT, c Config, events *[]Event) *Guard {
	g, err := New("orders", c, func(e Event) {
		if events != nil {
			*events = append(*events, e)
		}
	})
	require.NoError(t, err)
	return g
}

// try makes one attempt that ends with status, and reports whether it was let
// through.
func try(g *Guard, status int) bool {
	a, err := g.Attempt("one")
	if err != nil {
		return false
	}
	a.Done(status, nil)
	return true
}

func TestABreakerOpensWaitsProbesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		g := guarded(t, Config{Breaker: &BreakerConfig{Requests: 4, Open: Duration(time.Second), Probes: 2}}, &events)
		for range 4 {
			require.True(t, g.Admits("one"))
			require.True(t, try(g, http.StatusBadGateway))
		}
		assert.False(t, try(g, http.StatusOK), "an open breaker lets nothing through")
		assert.False(t, g.Admits("one"))
		assert.True(t, g.Admits("two"), "another instance has a breaker of its own")
		_, err := g.Attempt("one")
		assert.ErrorIs(t, err, ErrOpen)

		time.Sleep(time.Second)
		assert.True(t, g.Admits("one"))
		first, err := g.Attempt("one")
		require.NoError(t, err)
		second, err := g.Attempt("one")
		require.NoError(t, err)
		_, err = g.Attempt("one")
		assert.ErrorIs(t, err, ErrOpen, "no more probes than declared are under way")
		first.Done(http.StatusOK, nil)
		second.Done(http.StatusOK, nil)
		assert.True(t, try(g, http.StatusOK))
		assert.Equal(t, []Event{
			{"orders", "one", "closed", "open"}, {"orders", "one", "open", "half-open"}, {"orders", "one", "half-open", "closed"},
		}, events)
		assert.EqualValues(t, 3, g.Stats().Refused)
	})
}

func TestAFailedProbeOpensTheBreakerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Breaker: &BreakerConfig{Requests: 1, Open: Duration(time.Second), Probes: 1}}, nil)
		try(g, http.StatusInternalServerError)
		time.Sleep(time.Second)
		require.True(t, try(g, http.StatusInternalServerError))
		assert.False(t, try(g, http.StatusOK))
		time.Sleep(time.Second)
		assert.True(t, try(g, http.StatusOK))
		assert.True(t, try(g, http.StatusOK))
	})
}

// The requests that hung when the breaker opened end one by one later, when
// the instance may be well again: they are no evidence of the new state.
func TestResultsOfAnEarlierStateDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Breaker: &BreakerConfig{Requests: 2, Open: Duration(time.Second), Probes: 1}}, nil)
		stuck, err := g.Attempt("one")
		require.NoError(t, err)
		try(g, http.StatusBadGateway)
		try(g, http.StatusBadGateway)
		time.Sleep(time.Second)
		probe, err := g.Attempt("one")
		require.NoError(t, err)
		stuck.Done(0, context.DeadlineExceeded)
		probe.Done(http.StatusOK, nil)
		assert.Equal(t, "closed", g.Stats().Breakers["one"])
	})
}

func TestWhatEndsAnAttemptDecidesWhetherItCounts(t *testing.T) {
	for name, c := range map[string]struct {
		took   time.Duration
		status int
		err    error
		opens  bool
	}{
		"answer":                  {status: 200},
		"refusal of the client's": {status: 404},
		"error of the server's":   {status: 500, opens: true},
		"time-out":                {err: context.DeadlineExceeded, opens: true},
		"lost connection":         {err: errors.New("connection reset"), opens: true},
		"client went away":        {err: context.Canceled},
		"slow answer":             {took: 2 * time.Second, status: 200, opens: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := guarded(t, Config{Breaker: &BreakerConfig{Requests: 1, Slow: Duration(time.Second)}}, nil)
				a, err := g.Attempt("one")
				require.NoError(t, err)
				time.Sleep(c.took)
				a.Done(c.status, c.err)
				a.Done(500, nil) // a second word is not heard
				assert.Equal(t, c.opens, !g.Admits("one"))
			})
		})
	}
}

func TestAProbeWhoseClientWentAwayGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Breaker: &BreakerConfig{Requests: 1, Open: Duration(time.Second), Probes: 1}}, nil)
		try(g, 500)
		time.Sleep(time.Second)
		probe, err := g.Attempt("one")
		require.NoError(t, err)
		probe.Done(0, context.Canceled)
		time.Sleep(time.Second)
		assert.True(t, try(g, 200), "the next probe has its turn")
	})
}

func TestInstancesThatLeftAreForgotten(t *testing.T) {
	g := guarded(t, Config{Breaker: &BreakerConfig{}}, nil)
	g.Admits("one")
	g.Admits("two")
	g.Keep([]string{"two", "three"})
	assert.Equal(t, map[string]string{"two": "closed"}, g.Stats().Breakers)
}

// Whatever happens, an open breaker lets nothing through until its time is
// over, half-open never more than its probes are under way, and one that meets
// nothing but answers ends up closed.
func TestABreakerKeepsItsPromisesUnderAnySequence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			c := BreakerConfig{
				Requests: rapid.IntRange(1, 8).Draw(rt, "requests"), Probes: rapid.IntRange(1, 4).Draw(rt, "probes"),
				Open: Duration(rapid.IntRange(1, 5).Draw(rt, "open")) * Duration(100*time.Millisecond),
			}
			var opened time.Time
			g, err := New("r", Config{Breaker: &c}, func(e Event) {
				if e.To == "open" {
					opened = time.Now()
				}
			})
			require.NoError(rt, err)
			var underWay []*Attempt
			probing := 0
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				before := g.Stats().Breakers["one"]
				switch rapid.IntRange(0, 2).Draw(rt, "step") {
				case 0:
					a, err := g.Attempt("one")
					after := g.Stats().Breakers["one"]
					if before == "open" && time.Since(opened) < c.Open.Std() {
						require.ErrorIs(rt, err, ErrOpen)
					}
					if err == nil {
						underWay = append(underWay, a)
					}
					if after == "half-open" && err == nil {
						if before != "half-open" {
							probing = 0
						}
						probing++
						require.LessOrEqual(rt, probing, c.Probes)
					}
				case 1:
					if n := len(underWay); n > 0 {
						i := rapid.IntRange(0, n-1).Draw(rt, "which")
						counted := before == "half-open" && underWay[i].era == underWay[i].breaker.era.Load()
						underWay[i].Done(rapid.SampledFrom([]int{200, 500}).Draw(rt, "status"), nil)
						underWay = append(underWay[:i], underWay[i+1:]...)
						if counted {
							probing--
						}
					}
				case 2:
					time.Sleep(time.Duration(rapid.IntRange(1, 400).Draw(rt, "pause")) * time.Millisecond)
				}
			}
			for _, a := range underWay {
				a.Done(200, nil)
			}
			time.Sleep(2 * time.Second)
			for range c.Probes {
				try(g, 200)
			}
			require.Equal(rt, "closed", g.breakers.of("one").machine.State().String())
		})
	})
}
