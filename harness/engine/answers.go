package engine

import (
	"context"
	"fmt"
)

// Answers asks the engine for a sign of life, for at most a few seconds. If it
// gives none, the error is a [Problem] whose cause is ErrNoEngine; if ctx ends
// first, it is ctx's.
func (e *Engine) Answers(ctx context.Context) error {
	err := ping(ctx, e.socket)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("ask the engine on %s for a sign of life: %w", e.socket, ctx.Err())
	}
	return &Problem{
		What:   "the container engine does not answer any more",
		Why:    e.socket + ": " + brief(err),
		Remedy: "start it again, then run `hadrill clean`",
		Cause:  ErrNoEngine,
	}
}
