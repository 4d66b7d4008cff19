package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ActionCrashLoop kills a node again and again.
const ActionCrashLoop = "crash-loop"

// CrashLoopParams are the parameters of ActionCrashLoop.
type CrashLoopParams struct {
	Up    time.Duration `json:"up_ns"` // how long the node runs between its start and its next death
	Times int           `json:"times"` // deaths in all; the node stays up after the last
}

// maxCrashes bounds a loop that nobody heals.
const maxCrashes = 1000

var _ = register(Action{
	Name: ActionCrashLoop,
	Doc:  "the node dies, is started, and dies again, as a service with a poisoned start does",
	Use:  []string{"pidfd"},
	Lost: ByRestart, Idle: true,
	Apply: func(_ context.Context, t *Target) (Evidence, error) {
		if _, running := t.State.(*crashLoop); running {
			return Evidence{Before: monotonic(), How: "pidfd"}, nil
		}
		var p CrashLoopParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		if p.Up <= 0 || p.Times < 1 || p.Times > maxCrashes {
			return Evidence{}, fmt.Errorf("%d times after %v each: want 1 to %d times, and more than no time", p.Times, p.Up, maxCrashes)
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		loop := &crashLoop{target: t, params: p, first: life, cancel: cancel, done: make(chan struct{})}
		t.State = loop
		seen := Evidence{Before: monotonic(), How: "pidfd"}
		if err := life.Signal(unix.SIGKILL); err != nil && !errors.Is(err, ErrNotRunning) {
			cancel()
			t.State = nil
			return Evidence{}, err
		}
		go loop.run(ctx)
		return seen, nil
	},
	Verify: func(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
		loop, ok := t.State.(*crashLoop)
		if !ok {
			return Evidence{}, errors.New("nobody loops")
		}
		if applied.Before == 0 {
			return Evidence{Before: monotonic(), After: monotonic(), How: "pidfd", Detail: loop.String()}, loop.failed()
		}
		select {
		case <-loop.first.dead:
			return Evidence{Before: applied.Before, After: loop.first.diedAt, How: "pidfd", Detail: "first of up to " + fmt.Sprint(loop.params.Times) + " deaths"}, nil
		case <-ctx.Done():
			return Evidence{}, fmt.Errorf("process %d has not exited: %w", loop.first.pid, ctx.Err())
		}
	},
	Undo: func(ctx context.Context, t *Target) (Evidence, error) {
		if loop, ok := t.State.(*crashLoop); ok {
			loop.cancel()
			select {
			case <-loop.done:
			case <-ctx.Done():
				return Evidence{}, fmt.Errorf("end the crash loop: %w", ctx.Err())
			}
			t.State = nil
		}
		return startAgain(ctx, t)
	},
	Undone: verifyStarted,
})

// crashLoop is a loop under way. It ends by itself, or when it is cancelled.
type crashLoop struct {
	target *Target
	params CrashLoopParams
	first  *Life
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	deaths int
	err    error
}

func (c *crashLoop) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d of %d deaths", c.deaths, c.params.Times)
}

func (c *crashLoop) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *crashLoop) run(ctx context.Context) {
	defer close(c.done)
	life := c.first
	for {
		next, err := c.once(ctx, life)
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.deaths++
		c.err = err
		over := c.deaths >= c.params.Times
		c.mu.Unlock()
		if err != nil {
			c.target.Host.notify(Event{At: monotonic(), Kind: EventLost, Node: c.target.Node.name, Damage: c.target.ID, Text: err.Error()})
			return
		}
		if over {
			return
		}
		select {
		case <-time.After(c.params.Up):
		case <-ctx.Done():
			return
		}
		if err := next.Signal(unix.SIGKILL); err != nil && !errors.Is(err, ErrNotRunning) {
			return
		}
		life = next
	}
}

// once sees a life end and starts the next.
func (c *crashLoop) once(ctx context.Context, life *Life) (*Life, error) {
	select {
	case <-life.dead:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if _, err := startAgain(ctx, c.target); err != nil {
		return nil, err
	}
	return c.target.Node.AwaitLife(ctx, life)
}
