package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hadrill/hadrill/harness/engine"
)

// logGrace is how long the last lines of removed containers may take to arrive.
const logGrace = 500 * time.Millisecond

// Close removes the run's containers, then its networks and volumes, and ends
// every goroutine of the Env. Containers are killed, not stopped: whoever wants
// a gentle end asks for it before. A second call finds nothing and returns nil.
// The error names what is left; see Kept for what the engine will not let go.
//
// Load generators must have ended: no client may dial a network that is going.
func (e *Env) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.closing.CompareAndSwap(0, time.Now().UnixNano())

	kept, removeErr := remove(ctx, e.engine, e.options.Run)
	if removeErr != nil {
		if left, err := Residue(ctx, e.engine, e.options.Run); err == nil && len(left) > 0 {
			removeErr = fmt.Errorf("close run %s: left behind: %v: %w", e.options.Run, left, removeErr)
		}
	}
	e.settleLogs()
	e.end()
	e.events.Wait()
	e.logs.Wait()

	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = kept
	err := errors.Join(append(e.fileErrs, removeErr)...)
	e.fileErrs = nil
	return err
}

// Kept names the networks that Close found the engine to keep though nobody is
// in them (ErrMiscounted). They are the engine's mistake and harm nobody, but
// stay until it is restarted, so they are to be told.
func (e *Env) Kept() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.kept)
}

// settleLogs waits, a moment at most, until the streams of the removed
// containers have run dry, so that a node's last words are kept.
func (e *Env) settleLogs() {
	e.mu.Lock()
	var watches []*watch
	for _, w := range e.watched {
		watches = append(watches, w)
	}
	e.mu.Unlock()
	runDry(watches)
}

// runDry waits, logGrace at most, for the logs of containers that have ended.
func runDry(watches []*watch) {
	deadline := time.After(logGrace)
	for _, w := range watches {
		for w.following.Load() {
			select {
			case <-deadline:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}
}

// Residue lists what still carries a run's label: containers, networks, volumes.
func Residue(ctx context.Context, eng *engine.Engine, run string) ([]string, error) {
	found, err := find(ctx, eng, LabelRun+"="+run)
	if err != nil {
		return nil, err
	}
	var left []string
	for _, p := range found {
		left = append(left, p.String())
	}
	return left, nil
}
