package orders

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// coldFactor is how much more a request costs a cold instance.
const coldFactor = 10

// capacity makes an instance's capacity known: every piece of work holds one of
// a number of slots for its cost. The cost is waited for and not computed, so
// that it does not depend on what else the machine does.
//
//	requests ──▶ slot 1 ▓▓▓▓  ▓▓▓▓        slots / cost = requests a second
//	             slot 2 ▓▓▓▓▓▓▓▓▓▓▓▓
type capacity struct {
	slots chan struct{}
	cost  time.Duration
	cold  atomic.Int64 // pieces of work that still cost more
}

func newCapacity(slots int, cost time.Duration, cold int) *capacity {
	c := &capacity{slots: make(chan struct{}, slots), cost: cost}
	c.cold.Store(int64(cold))
	return c
}

// work does one piece: do, and then its cost, so that an instance which dies
// meanwhile has done the work and not said so. It gives up waiting for a slot
// when ctx ends.
func (c *capacity) work(ctx context.Context, do func() error) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return refused{fmt.Errorf("every slot is busy: %w", ctx.Err())}
	}
	defer func() { <-c.slots }()
	cost := c.cost
	if c.cold.Add(-1) >= 0 {
		cost *= coldFactor
	}
	if err := do(); err != nil {
		return err
	}
	if cost > 0 && !rest(ctx, cost) {
		return fmt.Errorf("no time left: %w", ctx.Err())
	}
	return nil
}

// warmUp does work until the instance is warm.
func (c *capacity) warmUp(ctx context.Context) {
	done := make(chan struct{})
	for range cap(c.slots) {
		go func() {
			defer func() { done <- struct{}{} }()
			for c.cold.Load() > 0 && c.work(ctx, func() error { return nil }) == nil {
			}
		}()
	}
	for range cap(c.slots) {
		<-done
	}
}
