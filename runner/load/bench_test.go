package load

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// At 20 000 operations a second the generator's own lag must stay far below
// what is measured with it: p99 at most 2 ms on a quiet machine of two cores.
func BenchmarkDriver20k(b *testing.B) {
	measure(b, func() (Load, int) { return Sets{Rate: 20_000}, 20_000 })
}

func BenchmarkHTTP20k(b *testing.B) {
	running, _ := serve(b, fine)
	measure(b, func() (Load, int) {
		return HTTP{Rate: 20_000, URL: running.url, Connections: []string{Pooled}}, 20_000
	})
}

func BenchmarkControl1k(b *testing.B) {
	running, _ := serve(b, fine)
	measure(b, func() (Load, int) { return Control{URL: running.url}, 1000 })
}

// measure runs a load for a second an iteration and reports lag and latency.
func measure(b *testing.B, declare func() (Load, int)) {
	for b.Loop() {
		l, want := declare()
		log, stats := drive(b, l, newFake(), time.Second)
		ops := inLane(log, 0)
		require.Len(b, ops, want)
		b.ReportMetric(float64(stats.Ok), "ok/s")
		b.ReportMetric(float64(lag(ops, .99).Microseconds()), "µs-lag-p99")
		b.ReportMetric(float64(lag(ops, 1).Microseconds()), "µs-lag-max")
		for i := range ops {
			ops[i].Start = ops[i].End // lag of the end is the latency
		}
		b.ReportMetric(float64(lag(ops, .99).Microseconds()), "µs-latency-p99")
	}
}

func TestTimerIsPunctualAndInterruptible(t *testing.T) {
	clock, b := newTestTimer(t), newBench(t)
	for _, wait := range []time.Duration{50 * time.Microsecond, time.Millisecond, 30 * time.Millisecond} {
		at := b.now().Add(wait)
		require.NoError(t, clock.until(t.Context(), b.clock, at))
		assert.GreaterOrEqual(t, b.now(), at, "never early")
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		began := time.Now()
		assert.ErrorIs(t, clock.until(ctx, b.clock, b.now().Add(time.Hour)), context.DeadlineExceeded)
		assert.Less(t, time.Since(began), 200*time.Millisecond)
		cancel()
	}
	at := b.now().Add(30 * time.Millisecond)
	require.NoError(t, clock.until(t.Context(), b.clock, at), "usable after an interruption")
	assert.GreaterOrEqual(t, b.now(), at)
	b.log()
}

func newTestTimer(t *testing.T) *timer {
	c, err := newTimer()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

func BenchmarkPlan(b *testing.B) {
	var op record.Op
	w := Registers{}.work()
	at := slot{of: 1, seed: 3}
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		w.streams[0].plan(at, n, &op)
	}
}
