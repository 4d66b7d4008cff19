package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// Names of the actions on a node's process.
const (
	ActionKill    = "kill"
	ActionStop    = "stop"
	ActionRestart = "restart"
)

var _ = register(Action{
	Name: ActionKill,
	Doc:  "the node's first process is killed: its peers see connections closed by the kernel",
	Use:  []string{"pidfd"},
	Lost: ByRestart, Idle: true,
	Apply:  applyKill,
	Verify: verifyDead,
	Undo:   startAgain,
	Undone: verifyStarted,
})

// applyKill sends SIGKILL through the pidfd. The engine's own kill returns a
// hundred milliseconds after the process has died, and hides them from whoever
// starts a clock there.
func applyKill(_ context.Context, t *Target) (Evidence, error) {
	life, err := t.Node.Life()
	if errors.Is(err, ErrNotRunning) {
		return wasDead(t), nil // dead already: nothing is left to do
	}
	if err != nil {
		return Evidence{}, err
	}
	t.State = life
	seen := Evidence{Before: monotonic(), How: "pidfd"}
	err = life.Signal(unix.SIGKILL)
	if errors.Is(err, ErrNotRunning) {
		err = nil
	}
	return seen, err
}

// wasDead is the evidence for a node that had died before.
func wasDead(t *Target) Evidence {
	t.Node.mu.Lock()
	died := t.Node.deaths
	t.State = nil
	if life := t.Node.life; life != nil && life.ended() {
		died = life.diedAt
	}
	t.Node.mu.Unlock()
	if died == 0 {
		died = monotonic()
	}
	return Evidence{Before: died, After: died, How: "pidfd", Detail: "was not running"}
}

// verifyDead waits until the process that was struck has exited: its pidfd
// becomes readable when the kernel has torn it down.
func verifyDead(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
	life, struck := t.State.(*Life)
	if !struck {
		if now, err := t.Node.Life(); err == nil {
			return Evidence{}, fmt.Errorf("process %d runs", now.pid)
		}
		return wasDead(t), nil
	}
	select {
	case <-life.dead:
	case <-ctx.Done():
		return Evidence{}, fmt.Errorf("process %d has not exited: %w", life.pid, ctx.Err())
	}
	if now, err := t.Node.Life(); err == nil && now != life {
		return Evidence{}, fmt.Errorf("process %d has exited, but the node runs again as process %d", life.pid, now.pid)
	}
	before := applied.Before
	if before == 0 {
		before = life.diedAt
	}
	return Evidence{Before: before, After: life.diedAt, How: "pidfd", Detail: fmt.Sprintf("process %d exited", life.pid)}, nil
}

// startAgain starts a dead node. The engine learns of a death later than we
// do and ignores the start of a container that it still believes running.
func startAgain(ctx context.Context, t *Target) (Evidence, error) {
	seen := Evidence{Before: monotonic(), How: "process"}
	if _, err := t.Node.Life(); err == nil {
		return seen, nil // somebody has started it already
	}
	gone, err := awaitStopped(ctx, t.Node)
	if err != nil || gone {
		return seen, err
	}
	if _, err := t.Host.engine.ContainerStart(ctx, t.Node.id, client.ContainerStartOptions{}); err != nil {
		return seen, fmt.Errorf("start container: %w", err)
	}
	// The event stream tells the same; asking is for when it is broken.
	_, err = t.Node.refresh(ctx)
	return seen, err
}

// awaitStopped waits until the engine knows that a node has died. It returns
// true when the container does not exist any more.
func awaitStopped(ctx context.Context, n *Node) (removed bool, err error) {
	for {
		c, err := n.refresh(ctx)
		if err != nil {
			if isGone(err) {
				return true, nil
			}
			return false, err
		}
		if c.State == nil || !c.State.Running {
			return false, nil
		}
		if life, err := n.Life(); err == nil && !life.isDead() {
			return false, nil // it has been started meanwhile
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return false, fmt.Errorf("wait for the engine to see that node %s has died: %w", n.name, ctx.Err())
		}
	}
}

// verifyStarted waits until the node has a living process. Whether its service
// answers is the system's business.
func verifyStarted(ctx context.Context, t *Target, undone Evidence) (Evidence, error) {
	life, err := t.Node.AwaitLife(ctx, nil)
	if err != nil {
		return Evidence{}, err
	}
	if life.isDead() {
		return Evidence{}, fmt.Errorf("node %s was started as process %d and has exited", t.Node.name, life.pid)
	}
	return Evidence{Before: undone.Before, After: life.bornAt, How: "process", Detail: fmt.Sprintf("runs as process %d", life.pid)}, nil
}
