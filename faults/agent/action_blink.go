package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// ActionBlink freezes a node for an exactly known time.
const ActionBlink = "blink"

// BlinkParams are the parameters of ActionBlink.
type BlinkParams struct {
	Nanos int64 `json:"nanos"` // how long the node is frozen
}

// The freeze and the thaw are done by one thread against one clock, so the
// length does not depend on a message arriving in time: this is the known
// outage that calibration holds its measurement against.
var _ = register(Action{
	Name: ActionBlink,
	Doc:  "the node is frozen for an exact time and thaws by itself",
	Use:  []string{"freezer"},
	Lost: ByRestart,
	Apply: func(ctx context.Context, t *Target) (Evidence, error) {
		var p BlinkParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		if p.Nanos <= 0 || p.Nanos > int64(time.Minute) {
			return Evidence{}, fmt.Errorf("blink for %v: wants more than 0 and at most a minute", time.Duration(p.Nanos))
		}
		ice, err := iceOfNode(t.Node)
		if err != nil {
			return Evidence{}, err
		}
		before := monotonic()
		if err := ice.hold(t.ID); err != nil {
			return Evidence{}, err
		}
		_, frozen, err := ice.frozen(ctx)
		if err != nil {
			return Evidence{}, errors.Join(err, ice.release(t.ID))
		}
		b := &blinking{frozen: Evidence{Before: before, After: frozen, How: "freezer state"}, now: make(chan struct{}), over: make(chan struct{})}
		t.State = b
		go b.thawAt(func() error { return ice.release(t.ID) }, before+p.Nanos)
		return b.frozen, nil
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		if b, ok := t.State.(*blinking); ok {
			return b.frozen, nil
		}
		return applied, nil
	},
	Undo: func(ctx context.Context, t *Target) (Evidence, error) {
		b, ok := t.State.(*blinking)
		if !ok { // another agent's blink: only the thaw is left to do
			return Evidence{Before: monotonic(), How: "freezer state"}, t.Host.thawContainer(ctx, t.Node.id)
		}
		return b.end(ctx)
	},
	Undone: func(ctx context.Context, t *Target, undone Evidence) (Evidence, error) {
		if b, ok := t.State.(*blinking); ok {
			return b.end(ctx)
		}
		ice, err := iceOfNode(t.Node)
		if err != nil {
			return Evidence{}, err
		}
		first, detail, err := ice.thawed(ctx)
		return Evidence{Before: undone.Before, After: first, How: "freezer state", Detail: detail}, err
	},
})

// blinking is a blink under way.
type blinking struct {
	frozen Evidence
	now    chan struct{} // closed to thaw at once
	over   chan struct{} // closed when thawed
	thawed Evidence      // valid once over is closed
	err    error
}

// thawAt thaws at an instant of CLOCK_MONOTONIC, or at once when told to. It
// sleeps in the kernel in short stretches: a timer of the Go runtime may be
// served late by a millisecond and more on a busy machine.
func (b *blinking) thawAt(release func() error, due int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(b.over)
	for left := due - monotonic(); left > 0; left = due - monotonic() {
		select {
		case <-b.now:
			left = 0
		default:
		}
		if left == 0 {
			break
		}
		nap := unix.NsecToTimespec(min(left, int64(5*time.Millisecond)))
		_ = unix.Nanosleep(&nap, nil) // woken early by a signal, the loop sleeps on
	}
	b.thawed = Evidence{Before: monotonic(), How: "freezer state", Detail: "THAWED"}
	b.err = release()
	b.thawed.After = monotonic()
}

// end waits for the thaw, and does not wait for its time.
func (b *blinking) end(ctx context.Context) (Evidence, error) {
	select {
	case <-b.over:
		return b.thawed, b.err
	default:
	}
	select {
	case <-b.now:
	default:
		close(b.now)
	}
	select {
	case <-b.over:
		return b.thawed, b.err
	case <-ctx.Done():
		return Evidence{}, fmt.Errorf("thaw after a blink: %w", ctx.Err())
	}
}
