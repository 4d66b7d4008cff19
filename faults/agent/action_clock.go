package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hadrill/hadrill/faults/clock"
)

// ActionClock moves the wall clock that a node's processes see. Its parameters
// are a [clock.Skew].
const ActionClock = "clock"

// skewed is what the undo record keeps: when a drift began. It goes on from
// there in a process that was started again.
type skewed struct {
	Since int64 `json:"since"` // true wall-clock time, nanoseconds since 1970
}

var _ = register(Action{
	Name: ActionClock,
	Doc:  "the node's processes see a wall clock that has jumped, drifts, stands or jumps to and fro; their timers go on",
	Use:  []string{"process-memory", "freezer"},
	Lost: WithProcess,
	Apply: func(ctx context.Context, t *Target) (Evidence, error) {
		var skew clock.Skew
		if err := t.Decode(&skew); err != nil {
			return Evidence{}, err
		}
		if skew == (clock.Skew{}) {
			return Evidence{}, errors.New("the skew does nothing")
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		watch, err := life.clockwatch()
		if err != nil {
			return Evidence{}, err
		}
		var since skewed
		if known, err := t.Restore(&since); err != nil {
			return Evidence{}, err
		} else if !known {
			since.Since = time.Now().UnixNano()
			if err := t.Save(since); err != nil {
				return Evidence{}, err
			}
		}
		return watch.keep(ctx, t.ID, skew, time.Unix(0, since.Since))
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		watch, err := life.clockwatch()
		if err != nil {
			return Evidence{}, err
		}
		looked := monotonic()
		status, err := watch.status(t.ID)
		if err != nil {
			return Evidence{}, err
		}
		if status.Skewed == 0 {
			return Evidence{}, errors.New("no process has a moved clock")
		}
		if applied.Before == 0 {
			applied.Before, applied.After = looked, monotonic()
		}
		applied.How = "vdso read back"
		applied.Detail = fmt.Sprintf("%s in %d processes; %d not yet, %d put right after they had been started", status.Skew, status.Skewed, status.True, status.Again)
		return applied, nil
	},
	Undo: func(ctx context.Context, t *Target) (Evidence, error) {
		seen := Evidence{Before: monotonic(), How: "vdso read back"}
		life, err := t.Node.Life()
		if errors.Is(err, ErrNotRunning) {
			t.Saved = nil
			seen.After = monotonic()
			return seen, nil // gone with the process
		}
		if err != nil {
			return seen, err
		}
		watch, err := life.clockwatch()
		if err != nil {
			return seen, err
		}
		if err = watch.heal(ctx, t.ID); err == nil {
			t.Saved = nil // the same drift, once more, begins anew
		}
		seen.After = monotonic()
		return seen, err
	},
	Undone: func(_ context.Context, t *Target, undone Evidence) (Evidence, error) {
		left, err := skewedProcesses(t.Node)
		if errors.Is(err, ErrNotRunning) {
			return undone, nil
		}
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("processes %v still have a moved clock", left)
		}
		undone.Detail = "every process has its own code back"
		return undone, err
	},
	Audit: func(_ context.Context, n *Node) ([]string, error) {
		pids, err := skewedProcesses(n)
		left := make([]string, len(pids))
		for i, pid := range pids {
			left[i] = fmt.Sprintf("moved clock in process %d of node %s", pid, n.name)
		}
		return left, err
	},
})

func skewedProcesses(n *Node) ([]int, error) {
	l, err := n.Life()
	if err != nil {
		return nil, err
	}
	dir, _, err := l.Cgroup("freezer")
	if err != nil {
		return nil, err
	}
	return clock.Residue(clock.Cgroup(dir))
}

// clockwatch keeps the clock of one life moved; one damage at a time.
type clockwatch struct {
	group clock.Group

	mu     sync.Mutex
	damage string
	keeper *clock.Keeper
}

func (l *Life) clockwatch() (*clockwatch, error) {
	ice, err := l.iceOf()
	if err != nil {
		return nil, err
	}
	made, err := l.attach("clock", func() (attachment, error) {
		return &clockwatch{group: clocks{clock.Cgroup(ice.dir), ice}}, nil
	})
	if err != nil {
		return nil, err
	}
	return made.(*clockwatch), nil
}

func (w *clockwatch) keep(ctx context.Context, damage string, s clock.Skew, since time.Time) (Evidence, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keeper != nil {
		if w.damage != damage {
			return Evidence{}, errors.New("its clock is moved by another fault already")
		}
		now := monotonic()
		return Evidence{Before: now, After: now, How: "vdso read back"}, nil
	}
	k, c, err := clock.KeepSince(ctx, w.group, s, since)
	if err != nil {
		return Evidence{}, err
	}
	w.damage, w.keeper = damage, k
	now, wall := monotonic(), time.Now()
	return Evidence{Before: now - int64(wall.Sub(c.Before)), After: now - int64(wall.Sub(c.After)), How: "vdso read back"}, nil
}

func (w *clockwatch) status(damage string) (clock.Status, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keeper == nil || w.damage != damage {
		return clock.Status{}, errors.New("nobody keeps its clock moved")
	}
	return w.keeper.Status()
}

// heal ends the watch. Without one, it heals what another agent has done.
func (w *clockwatch) heal(ctx context.Context, damage string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.keeper == nil:
		_, err := clock.Heal(ctx, w.group)
		return err
	case w.damage != damage:
		return nil
	}
	_, err := w.keeper.Close(ctx)
	if err == nil {
		w.keeper, w.damage = nil, ""
	}
	return err
}

func (w *clockwatch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keeper != nil {
		ctx, cancel := context.WithTimeout(context.Background(), undoLimit)
		defer cancel()
		// The process is ending: its clock ends with it, and only the watch
		// has to.
		_, _ = w.keeper.Close(ctx)
		w.keeper = nil
	}
}
