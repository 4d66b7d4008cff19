package impair

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestDelaysFollowTheirDistribution(t *testing.T) {
	const n, mean, spread = 200_000, 100 * time.Millisecond, 10 * time.Millisecond
	for _, c := range []struct {
		distribution Distribution
		deviation    float64
		p50, p99     float64 // milliseconds
	}{
		{Uniform, 10 / math.Sqrt(3), 100, 109.8},
		{Normal, 10, 100, 123.26},
		{"", 10, 100, 123.26},
		// x(q) = (1-q)^(-1/3): 1.26 and 4.64, less the mean, over the deviation.
		{Pareto, 8.5, 97.23, 136.3},
	} {
		t.Run("distribution "+string(c.distribution), func(t *testing.T) {
			d := newDice(1, 2)
			im := Impairment{Delay: mean, Jitter: spread, Distribution: c.distribution}
			all := make([]float64, n)
			var sum, squares float64
			for i := range all {
				all[i] = float64(d.roll(&im).delay) / 1e6
				sum += all[i]
				squares += all[i] * all[i]
			}
			slices.Sort(all)
			m := sum / n
			assert.InDelta(t, 100, m, 0.5)
			assert.InDelta(t, c.deviation, math.Sqrt(squares/n-m*m), 0.6)
			assert.InDelta(t, c.p50, all[n/2], 0.3)
			assert.InDelta(t, c.p99, all[n*99/100], 0.8)
		})
	}
}

func TestBurstLosesItsLongRunShare(t *testing.T) {
	b := Burst{EnterBad: 0.01, LeaveBad: 0.25, LossBad: 0.8, LossGood: 0.001}
	im, d := Impairment{Burst: &b}, newDice(3, 4)
	lost := 0
	for range 500_000 {
		if d.roll(&im).drop {
			lost++
		}
	}
	assert.InDelta(t, b.Loss(), float64(lost)/500_000, 0.002)
}

func TestSameSeedSameFates(t *testing.T) {
	im := Impairment{Delay: time.Second, Jitter: time.Millisecond, Loss: 0.5, Duplicate: 0.5}
	a, b, other := newDice(5, 6), newDice(5, 6), newDice(5, 7)
	same := true
	for range 100 {
		f := a.roll(&im)
		assert.Equal(t, f, b.roll(&im))
		same = same && f == other.roll(&im)
	}
	assert.False(t, same, "another link draws other fates")
}

func TestHeapReturnsByDueTimeThenArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h heap
		dues := rapid.SliceOf(rapid.Int64Range(0, 20)).Draw(t, "dues")
		for i, due := range dues {
			h.push(held{due: due, seq: uint64(i)})
		}
		last := held{due: -1}
		for range dues {
			next := h.pop()
			if next.due < last.due || next.due == last.due && next.seq < last.seq {
				t.Fatalf("%v after %v", next, last)
			}
			last = next
		}
		if len(h) != 0 {
			t.Fatalf("%d left", len(h))
		}
	})
}

func TestCorruptionSparesTheIPHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := make([]byte, rapid.IntRange(0, 100).Draw(t, "length"))
		if len(p) > 0 {
			p[0] = 0x45
		}
		before := slices.Clone(p)
		flipped := flip(p, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") })
		if flipped != (len(p) > 20) {
			t.Fatalf("flipped %v of %d bytes", flipped, len(p))
		}
		changed := 0
		for i := range p {
			if p[i] != before[i] {
				changed++
				if i < 20 {
					t.Fatalf("byte %d of the header changed", i)
				}
			}
		}
		if flipped != (changed == 1) {
			t.Fatalf("%d bytes changed", changed)
		}
	})
}

func TestParseRefusesNonsense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "datagram")
		_ = parse(b, func(packet) {}, func(reply) {}) // must not panic, whatever comes
	})
	assert.Error(t, parse(make([]byte, 40), func(packet) {}, func(reply) {}))
}
