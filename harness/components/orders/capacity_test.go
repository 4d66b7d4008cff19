package orders

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func nothing() error { return nil }

func TestAnInstanceWorksOnAsManyRequestsAtOnceAsItHasSlots(t *testing.T) {
	c := newCapacity(3, 5*time.Millisecond, 0)
	var now, most atomic.Int64
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			require.NoError(t, c.work(context.Background(), func() error {
				n := now.Add(1)
				defer now.Add(-1)
				for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
				}
				time.Sleep(2 * time.Millisecond)
				return nil
			}))
		})
	}
	began := time.Now()
	group.Wait()
	require.LessOrEqual(t, most.Load(), int64(3))
	require.GreaterOrEqual(t, time.Since(began), 40*time.Millisecond, "30 pieces of 5 ms in 3 slots, less what was done before")
}

func TestARequestThatFindsNoSlotInTimeHasDoneNothing(t *testing.T) {
	c := newCapacity(1, time.Minute, 0)
	held, release := context.WithCancel(context.Background())
	working := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- c.work(held, func() error { close(working); return nil }) }()
	<-working
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := c.work(ctx, func() error { t.Error("it was done"); return nil })
	var nothing refused
	require.ErrorAs(t, err, &nothing)
	release()
	require.False(t, errors.As(<-done, &nothing), "what had been begun may have been done")
}

func TestAColdInstanceBecomesWarmByWork(t *testing.T) {
	c := newCapacity(2, time.Millisecond, 4)
	began := time.Now()
	c.warmUp(context.Background())
	require.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond, "4 pieces of 10 ms in 2 slots")
	require.LessOrEqual(t, c.cold.Load(), int64(0))
	require.NoError(t, c.work(context.Background(), nothing))
}

func TestWarmingUpEndsWithItsContext(t *testing.T) {
	c := newCapacity(2, time.Hour, 4)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.warmUp(ctx)
}
