package agent

import "golang.org/x/sys/unix"

// monotonic reads CLOCK_MONOTONIC in nanoseconds. Containers share it with
// their host, so runner and agent speak of the same instant.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail with a valid clock id
	return ts.Nano()
}
