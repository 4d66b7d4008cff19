package harness

import "time"

// NewClock returns a Clock whose zero is now.
func NewClock() Clock { return &monotonic{began: time.Now()} }

// monotonic reads CLOCK_MONOTONIC through time.Now, which carries it.
type monotonic struct{ began time.Time }

func (c *monotonic) Now() int64 { return int64(time.Since(c.began)) }

// At goes by the distance from now, not from the run's beginning: a wall clock
// that was stepped in between does not falsify what happened just now.
func (c *monotonic) At(wall time.Time) int64 {
	now := time.Now()
	return int64(now.Sub(c.began)) - int64(now.Round(0).Sub(wall.Round(0)))
}
