package agent

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ActionSignal is the name of the action that tells a node something.
const ActionSignal = "signal"

// SignalParams are the parameters of ActionSignal.
type SignalParams struct {
	// Signal is the signal's name: "HUP", "SIGHUP", "USR2".
	Signal string `json:"signal"`
	// Nonce tells two signals of one name apart: damage that is ordered twice
	// is one damage, but a signal that is sent twice is two.
	Nonce int64 `json:"nonce,omitempty"`
}

var _ = register(Action{
	Name:  ActionSignal,
	Doc:   "the node's first process is told something by a signal that it handles, such as to read its configuration again",
	Use:   []string{"pidfd"},
	Lost:  ByRestart,
	Idle:  true,
	Apply: applySignal, Verify: verifySignal,
	// What a signal set off cannot be called back; a node that it ended is
	// started again.
	Undo:   startAgain,
	Undone: verifyStarted,
})

// applySignal sends the signal through the pidfd. A process that does not
// handle it is refused before: the first process of a container would ignore
// it (pid_namespaces(7)), and a run would prove nothing. (A Go program handles
// every signal as far as the kernel knows, also those it then ignores.)
func applySignal(_ context.Context, t *Target) (Evidence, error) {
	signal, err := signalParams(t)
	if err != nil {
		return Evidence{}, err
	}
	life, err := t.Node.Life()
	if err != nil {
		return Evidence{}, err
	}
	caught, err := signalMask(life.Pid(), "SigCgt")
	if err != nil {
		return Evidence{}, err
	}
	if !caught.has(signal) {
		return Evidence{}, fmt.Errorf("process %d of node %s does not handle %s", life.Pid(), t.Node.name, unix.SignalName(signal))
	}
	t.State = life
	seen := Evidence{Before: monotonic(), How: "pending signals"}
	return seen, life.Signal(signal)
}

// verifySignal waits until the process has taken the signal: it is pending no
// more, or the process has ended of it.
func verifySignal(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
	signal, err := signalParams(t)
	if err != nil {
		return Evidence{}, err
	}
	life, sent := t.State.(*Life)
	if !sent {
		return Evidence{}, fmt.Errorf("node %s: no signal was sent", t.Node.name)
	}
	if applied.Before == 0 {
		applied.Before = life.bornAt
	}
	for {
		pending, err := signalMask(life.Pid(), "ShdPnd")
		applied.After = monotonic()
		applied.How, applied.Detail = "pending signals", fmt.Sprintf("process %d took %s", life.Pid(), unix.SignalName(signal))
		if life.isDead() {
			return applied, nil
		}
		if err != nil {
			return Evidence{}, err
		}
		if !pending.has(signal) {
			return applied, nil
		}
		select {
		case <-ctx.Done():
			return Evidence{}, fmt.Errorf("process %d has not taken %s: %w", life.Pid(), unix.SignalName(signal), ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

func signalParams(t *Target) (unix.Signal, error) {
	var p SignalParams
	if err := t.Decode(&p); err != nil {
		return 0, err
	}
	signal := unix.SignalNum("SIG" + strings.TrimPrefix(p.Signal, "SIG"))
	if signal == 0 || signal == unix.SIGKILL || signal == unix.SIGSTOP {
		return 0, fmt.Errorf("signal %q: want the name of one that a process can handle", p.Signal)
	}
	return signal, nil
}

// mask is a set of signals, bit n-1 for signal n.
type mask uint64

func (m mask) has(s unix.Signal) bool { return m&(1<<(uint(s)-1)) != 0 }

// signalMask reads one of the sets of /proc/PID/status, proc_pid_status(5):
// SigCgt are those handled, ShdPnd those pending for the whole process.
func signalMask(pid int, name string) (mask, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read signals of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		value, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s of process %d: %w", name, pid, err)
		}
		return mask(set), nil
	}
	return 0, fmt.Errorf("read signals of process %d: there is no %s", pid, name)
}
