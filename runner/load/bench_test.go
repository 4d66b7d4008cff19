package load

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// At 20 000 operations a second the generator's own lag must stay far below
// what is measured with it.
func TestLagAt20kOperationsASecond(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("a measurement: not under the race detector, not with -short")
	}
	var excess time.Duration
	for range 5 {
		stop, noise := make(chan struct{}), make(chan time.Duration)
		go func() { noise <- lateness(t, stop) }()
		log, stats := drive(t, Sets{Rate: 20_000}, newFake(), time.Second)
		close(stop)
		machine := <-noise
		ops := inLane(log, 0)
		require.Len(t, ops, 20_000)
		require.Equal(t, uint64(20_000), stats.Ok)
		t.Logf("schedule lag at 20k/s: p50 %s p99 %s p99.9 %s max %s (n=%d); a sleeper beside it was late by p99 %s",
			lag(ops, .5), lag(ops, .99), lag(ops, .999), lag(ops, 1), len(ops), machine)
		// What a bare sleeper in the same process suffers is the machine's.
		if excess = lag(ops, .99) - machine; excess <= 2*time.Millisecond {
			return
		}
	}
	t.Errorf("p99 of the schedule lag is %s above the machine's own, more than 2ms", excess)
}

// lateness sleeps a millisecond at a time until stop and returns the p99 of
// how late it woke.
func lateness(t *testing.T, stop <-chan struct{}) time.Duration {
	sleeper, err := newTimer()
	if !assert.NoError(t, err) {
		return 0
	}
	defer sleeper.Close()
	clock := harness.NewClock()
	var late []record.Op
	for {
		select {
		case <-stop:
			return lag(late, .99)
		default:
		}
		at := record.Time(clock.Now()).Add(time.Millisecond)
		if !assert.NoError(t, sleeper.until(context.Background(), clock, at)) {
			return 0
		}
		late = append(late, record.Op{Intended: at, Start: record.Time(clock.Now())})
	}
}

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
