package runner

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/runner/record"
)

// clock is the run's one clock. The runner and the agent are processes of one
// host, so CLOCK_MONOTONIC means the same instant to both; base carries it over.
type clock struct {
	start time.Time // carries Go's monotonic reading
	base  int64     // CLOCK_MONOTONIC at start, in nanoseconds
}

func newClock() *clock {
	var ts unix.Timespec
	// The two readings are taken back to back: their distance is well below
	// a microsecond, far below any resolution claimed.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail with a valid clock id
	return &clock{start: time.Now(), base: ts.Nano()}
}

// Now implements harness.Clock.
func (c *clock) Now() int64 { return int64(time.Since(c.start)) }

// At implements harness.Clock for wall times of this host, such as a log line's.
func (c *clock) At(wall time.Time) int64 { return int64(wall.Round(0).Sub(c.start.Round(0))) }

func (c *clock) now() record.Time { return record.Time(c.Now()) }
