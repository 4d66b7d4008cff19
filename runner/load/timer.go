package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// timer sleeps to a due time more precisely than the runtime's timers, which
// on Linux are rounded up to the millisecond of epoll_wait(2) when the process
// is idle. It is a timerfd (timerfd_create(2)) that the runtime's own poller
// waits for: the sleeper holds no processor, as it would in nanosleep(2), so
// answers that arrive meanwhile are seen at once.
//
// Not for concurrent use.
type timer struct {
	fd   *os.File
	raw  int
	read [8]byte
}

func newTimer() (*timer, error) {
	raw, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create timer: %w", err)
	}
	return &timer{fd: os.NewFile(uintptr(raw), "timerfd"), raw: raw}, nil
}

func (t *timer) Close() error { return t.fd.Close() }

// until sleeps until the run's clock reaches at. It never returns early with
// nil; it returns ctx's error when ctx ends first.
func (t *timer) until(ctx context.Context, clock harness.Clock, at record.Time) error {
	for {
		wait := time.Duration(int64(at) - clock.Now())
		if err := ctx.Err(); err != nil || wait <= 0 {
			return err
		}
		if err := t.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (t *timer) sleep(ctx context.Context, wait time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(wait))}
	if err := unix.TimerfdSettime(t.raw, 0, &spec, nil); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	// A short sleep ends by itself soon enough after ctx; only a long one
	// pays for the means to interrupt it.
	if wait > 20*time.Millisecond {
		stop := context.AfterFunc(ctx, func() { _ = t.fd.SetReadDeadline(time.Unix(1, 0)) })
		defer func() {
			if !stop() {
				_ = t.fd.SetReadDeadline(time.Time{})
			}
		}()
	}
	if _, err := t.fd.Read(t.read[:]); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The interruption of an earlier context may arrive late; until
		// sleeps again.
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("wait for timer: %w", err)
		}
		_ = t.fd.SetReadDeadline(time.Time{})
	}
	return nil
}
