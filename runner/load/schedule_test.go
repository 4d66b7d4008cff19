package load

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// due counts the operations that are due in the first d.
func due(s Schedule, d time.Duration) (n uint64) {
	for s.At(n) < d {
		n++
	}
	return n
}

func TestSchedulesOfferTheirRateExactly(t *testing.T) {
	for _, c := range []struct {
		s     Schedule
		d     time.Duration
		want  uint64
		first time.Duration
		rate  float64
	}{
		{Constant(500), 10 * time.Second, 5000, 0, 500},
		{Constant(3), 100 * time.Second, 300, 0, 3},
		{Constant(0.5), 10 * time.Second, 5, 0, 0.5},
		{Constant(0), time.Hour, 0, Forever, 0},
		{Ramp{From: 0, To: 100, Over: 10 * time.Second}, 10 * time.Second, 500, 0, 50},
		{Ramp{From: 100, To: 0, Over: 10 * time.Second}, 20 * time.Second, 500, 0, 50},
		{Ramp{From: 100, To: 300, Over: 10 * time.Second}, 12 * time.Second, 2600, 0, 200},
		{Ramp{From: 10, To: 10, Over: time.Second}, 10 * time.Second, 100, 0, 10},
		{Burst{Base: 100, Peak: 1000, Every: 10 * time.Second, Length: time.Second}, 20 * time.Second, 3800, 0, 190},
		{Burst{Peak: 50, Every: time.Second, Length: 100 * time.Millisecond}, 3 * time.Second, 15, 900 * time.Millisecond, 5},
		{Surge{Base: 100, Peak: 300, From: 2 * time.Second, Length: 3 * time.Second}, 10 * time.Second, 1600, 0, 300},
		{Surge{Peak: 50, From: time.Second, Length: 2 * time.Second}, time.Minute, 100, time.Second, 50},
		{Surge{Base: 50, From: time.Second, Length: time.Second}, 4 * time.Second, 150, 0, 50},
		{Replay{time.Second, time.Second, 4 * time.Second}, time.Hour, 3, time.Second, 0.75},
		{shared{of: Constant(300), from: 1, by: 3}, 10 * time.Second, 1000, time.Second / 300, 100},
	} {
		t.Run(c.s.String(), func(t *testing.T) {
			assert.Equal(t, c.want, due(c.s, c.d))
			assert.InDelta(t, float64(c.first), float64(c.s.At(0)), 1)
			assert.InDelta(t, c.rate, c.s.Rate(), 1e-9)
			assert.NotContains(t, c.s.String(), "%!")
		})
	}
}

func TestConstantDoesNotDrift(t *testing.T) {
	const week = 7 * 24 * 3600
	assert.Equal(t, week*time.Second, Constant(3).At(3*week))
	assert.Equal(t, week*time.Second, Constant(20_000).At(20_000*week))
}

func TestSchedulesNeverGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.1, 50_000)
		length := rapid.Int64Range(int64(time.Millisecond), int64(time.Minute))
		period := time.Duration(length.Draw(t, "period"))
		s := []Schedule{
			Constant(rate.Draw(t, "rate")),
			Ramp{From: rate.Draw(t, "from"), To: rate.Draw(t, "to"), Over: period},
			Burst{Base: rate.Draw(t, "base"), Peak: rate.Draw(t, "peak"), Every: period, Length: time.Duration(float64(period) * rapid.Float64Range(0, 1).Draw(t, "length"))},
			Poisson(rate.Draw(t, "mean"), rapid.Uint64().Draw(t, "seed")),
			Surge{Base: rate.Draw(t, "calm"), Peak: rate.Draw(t, "loud"), From: period, Length: time.Duration(length.Draw(t, "surge"))},
		}[rapid.IntRange(0, 4).Draw(t, "kind")]
		from := rapid.Uint64Range(0, 1_000_000).Draw(t, "n")
		last := s.At(from)
		require.GreaterOrEqual(t, last, time.Duration(0))
		for n := from + 1; n < from+300; n++ {
			at := s.At(n)
			require.GreaterOrEqual(t, at, last, "%s at %d", s, n)
			last = at
		}
	})
}

func TestPoissonHasTheMeanAndSpreadOfIndependentArrivals(t *testing.T) {
	const n = 200_000
	s := Poisson(1000, 7)
	assert.InEpsilon(t, n/1000.0, s.At(n).Seconds(), 0.02)
	var squares float64
	last := s.At(0)
	for i := uint64(1); i <= n; i++ {
		gap := (s.At(i) - last).Seconds() * 1000
		squares += gap * gap
		last = s.At(i)
	}
	// An exponential distribution of mean 1 has a second moment of 2.
	assert.InEpsilon(t, 2, squares/n, 0.05)
	again := Poisson(1000, 7)
	assert.Equal(t, s.At(n), again.At(n), "the same seed gives the same times, in any order of asking")
	assert.NotEqual(t, s.At(n), Poisson(1000, 8).At(n))
}

func TestReplayFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "times")
	for content, want := range map[string]string{
		"# traffic\n0\n0.25\n\n1e1\n": "",
		"1\nx\n":                      `line 2: "x" is not a time`,
		"1\n-1\n":                     "line 2",
		"2\n1\n":                      "comes before the line above",
		"NaN\n":                       "line 1",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		r, err := ReplayFile(path)
		if want != "" {
			assert.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, Replay{0, 250 * time.Millisecond, 10 * time.Second}, r)
		assert.Equal(t, Forever, r.At(3))
	}
	_, err := ReplayFile(path + ".absent")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestSecondsThatDoNotFitAreForever(t *testing.T) {
	for _, s := range []float64{math.Inf(1), math.NaN(), 1e12} {
		assert.Equal(t, Forever, seconds(s))
	}
}
