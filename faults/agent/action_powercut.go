package agent

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ActionPowerCut cuts the power of a node with its disks: what it had not
// synced is gone when it comes back.
const ActionPowerCut = "power-cut"

var _ = register(Action{
	Name: ActionPowerCut,
	Doc:  "the node dies in an instant, and its disks forget what was not synced",
	Use:  []string{"loop", "pidfd", "freezer"},
	Lost: ByRestart, Idle: true,
	Apply: applyPowerCut,
	Verify: func(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
		volumes := t.Host.disks.held(t.ID)
		if len(volumes) == 0 {
			return Evidence{}, errors.New("no disk is without power")
		}
		seen, err := verifyDead(ctx, t, applied)
		seen.Detail += "; file systems shut down: " + diskNames(volumes)
		return seen, err
	},
	Undo:   undoPowerCut,
	Undone: verifyStarted,
})

// applyPowerCut freezes the node, so that it sees nothing of what follows, shuts
// its file systems down and kills it. Nobody can have heard an answer that was
// given after the disks had stopped.
func applyPowerCut(ctx context.Context, t *Target) (Evidence, error) {
	volumes, err := t.Host.disks.of(ctx, t.Node, "")
	if err != nil {
		return Evidence{}, err
	}
	life, err := t.Node.Life()
	if err != nil {
		return Evidence{}, err
	}
	if err := t.Host.disks.claim(volumes, power, t.ID); err != nil {
		return Evidence{}, err
	}
	ice, err := life.iceOf()
	if err != nil {
		t.Host.disks.release(t.ID)
		return Evidence{}, err
	}
	t.State = life
	seen := Evidence{Before: monotonic(), How: "pidfd"}
	if err = ice.hold(t.ID); err == nil {
		_, _, err = ice.frozen(ctx)
	}
	for _, v := range volumes {
		if err == nil {
			err = v.Cut()
		}
	}
	if err == nil {
		err = life.Signal(unix.SIGKILL)
		if errors.Is(err, ErrNotRunning) {
			err = nil
		}
	}
	// Under cgroup v1 even SIGKILL waits for the thaw.
	err = errors.Join(err, ice.melt())
	if err == nil {
		return seen, nil
	}
	// Half a power cut is undone: the node is dead if its disks are.
	_ = life.Signal(unix.SIGKILL)
	_, undo := undoPowerCut(context.WithoutCancel(ctx), t)
	return Evidence{}, errors.Join(err, undo)
}

// undoPowerCut gives the disks power, then starts the node.
func undoPowerCut(ctx context.Context, t *Target) (Evidence, error) {
	seen := Evidence{Before: monotonic(), How: "process"}
	volumes := t.Host.disks.held(t.ID)
	if len(volumes) == 0 {
		return startAgain(ctx, t)
	}
	// Whatever has been started again meanwhile has no disks to stand on.
	if life, err := t.Node.Life(); err == nil {
		_ = life.Signal(unix.SIGKILL)
		select {
		case <-life.Dead():
		case <-ctx.Done():
			return seen, fmt.Errorf("wait for node %s to die: %w", t.Node.name, ctx.Err())
		}
	}
	removed, err := awaitStopped(ctx, t.Node)
	if err != nil {
		return seen, err
	}
	if !removed {
		for _, v := range volumes {
			if err := v.Power(); err != nil {
				return seen, err
			}
		}
	}
	t.Host.disks.release(t.ID)
	if removed {
		return seen, nil
	}
	return startAgain(ctx, t)
}
