package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/runner/record"
)

// conclude records what came of the run, closes the log and returns it all as
// one error. Where one cause has many effects only the cause is told: an engine
// that is gone, or a log that cannot be written, explains what failed after it.
func (d *drill) conclude(ctx context.Context, failedIn string, runErr, stopErr error) error {
	interrupted := ctx.Err() != nil && runErr != nil
	if interrupted {
		d.note(record.NoteInterrupted, context.Cause(ctx).Error())
		runErr = fmt.Errorf("run %s: %w", d.scenario.Name, ErrInterrupted)
	}
	if lost := d.lostEngine(runErr, stopErr); lost != nil {
		interrupted, runErr, stopErr = false, lost, nil
	}
	if runErr != nil && !interrupted {
		d.event(record.Event{Kind: record.EventError, Name: failedIn, Text: runErr.Error()})
	}
	if stopErr != nil {
		d.event(record.Event{Kind: record.EventError, Name: record.PhaseStop, Text: stopErr.Error()})
	}
	broken := d.log.Err()
	closeErr := d.log.Close()
	if broken == nil {
		return errors.Join(runErr, stopErr, closeErr)
	}
	if errors.Is(stopErr, ErrResidue) {
		return errors.Join(broken, stopErr)
	}
	return broken
}

// lostEngine returns an error of its own where the engine's end is behind what
// failed, nil otherwise.
func (d *drill) lostEngine(failures ...error) error {
	if errors.Join(failures...) == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var problem *engine.Problem
	if !errors.As(d.options.Engine.Answers(ctx), &problem) {
		return nil
	}
	lost := *problem
	lost.What = fmt.Sprintf("run %s: %s", d.scenario.Name, problem.What)
	lost.Remedy = fmt.Sprintf("start it again; what the run has left is then removed: by itself within %v from now, later by `hadrill clean`", agent.Patience)
	return &lost
}

// guarded returns a context that ends when the agent is gone: from then on
// nothing could be injected, and nothing healed by this run. release ends the
// watch; until then lostAgent tells why the context ended.
func (d *drill) guarded(ctx context.Context) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-d.agent.Gone():
			cancel(fmt.Errorf("in mid-run: %w", agent.ErrGone))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-watched
	}
}

// lostAgent returns why a guarded context ended, if the agent was the reason.
func lostAgent(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, agent.ErrGone) {
		return cause
	}
	return nil
}
