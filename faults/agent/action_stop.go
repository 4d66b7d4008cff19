package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// StopParams are the parameters of ActionStop and ActionRestart.
type StopParams struct {
	// Signal is the name of the signal that asks the process to end; "" is
	// the image's own, else SIGTERM.
	Signal string `json:"signal,omitempty"`
	// Grace is how long it may take before it is killed; 0 is ten seconds, as
	// is the engine's.
	Grace time.Duration `json:"grace_ns,omitempty"`
}

const defaultGrace = 10 * time.Second

var _ = register(Action{
	Name: ActionStop,
	Doc:  "the node is asked to end (SIGTERM), as a deployment does; it is killed when it does not",
	Use:  []string{"pidfd"},
	Lost: ByRestart, Idle: true,
	Apply:  applyStop,
	Verify: verifyStopped,
	Undo:   startAgain,
	Undone: verifyStarted,
})

func applyStop(_ context.Context, t *Target) (Evidence, error) {
	signal, _, err := stopParams(t)
	if err != nil {
		return Evidence{}, err
	}
	life, err := t.Node.Life()
	if errors.Is(err, ErrNotRunning) {
		return wasDead(t), nil
	}
	if err != nil {
		return Evidence{}, err
	}
	t.State = life
	seen := Evidence{Before: monotonic(), How: "pidfd"}
	if err := life.Signal(signal); err != nil && !errors.Is(err, ErrNotRunning) {
		return Evidence{}, err
	}
	return seen, nil
}

// verifyStopped waits for the exit, and after the grace time brings it about.
func verifyStopped(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
	life, struck := t.State.(*Life)
	if !struck {
		return verifyDead(ctx, t, applied)
	}
	_, grace, err := stopParams(t)
	if err != nil {
		return Evidence{}, err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-life.dead:
		return verifyDead(ctx, t, applied)
	case <-ctx.Done():
		return Evidence{}, fmt.Errorf("process %d has not exited: %w", life.pid, ctx.Err())
	case <-timer.C:
	}
	if err := life.Signal(unix.SIGKILL); err != nil && !errors.Is(err, ErrNotRunning) {
		return Evidence{}, err
	}
	seen, err := verifyDead(ctx, t, applied)
	seen.Detail = fmt.Sprintf("did not end by itself within %v and was killed; %s", grace, seen.Detail)
	return seen, err
}

func stopParams(t *Target) (unix.Signal, time.Duration, error) {
	var p StopParams
	if err := t.Decode(&p); err != nil {
		return 0, 0, err
	}
	name := p.Signal
	if name == "" {
		name = t.Node.stopSignal
	}
	if name == "" {
		name = "SIGTERM"
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	signal := unix.SignalNum(name)
	if signal == 0 {
		return 0, 0, fmt.Errorf("unknown signal %q", name)
	}
	if p.Grace < 0 || p.Grace >= verifyLimit {
		return 0, 0, fmt.Errorf("grace time %v: want 0 to %v", p.Grace, verifyLimit)
	}
	if p.Grace == 0 {
		p.Grace = defaultGrace
	}
	return signal, p.Grace, nil
}

var _ = register(Action{
	Name: ActionRestart,
	Doc:  "the node is asked to end and is started again at once",
	Use:  []string{"pidfd"},
	Lost: ByRestart, Idle: true,
	Apply:  applyStop,
	Verify: verifyRestarted,
	// The restart undoes itself; undoing an unfinished one is starting.
	Undo:   startAgain,
	Undone: verifyStarted,
})

// verifyRestarted sees the old process end, starts the node, and sees the new
// one. The bracket is that of the end: the outage begins there.
func verifyRestarted(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
	if applied == (Evidence{}) {
		return verifyStarted(ctx, t, Evidence{})
	}
	ended, err := verifyStopped(ctx, t, applied)
	if err != nil {
		return ended, err
	}
	if _, err := startAgain(ctx, t); err != nil {
		return ended, err
	}
	started, err := verifyStarted(ctx, t, ended)
	ended.Detail += fmt.Sprintf("; %s %.0f ms later", started.Detail, float64(started.After-ended.After)/1e6)
	return ended, err
}
