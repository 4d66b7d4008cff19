package agent

import (
	"context"
	"errors"
	"fmt"
)

// ActionPause freezes every process of a node.
const ActionPause = "pause"

var _ = register(Action{
	Name: ActionPause,
	Doc:  "the node is frozen: its processes do nothing, its kernel goes on accepting connections",
	Use:  []string{"freezer"},
	Lost: WithProcess,
	Apply: func(_ context.Context, t *Target) (Evidence, error) {
		ice, err := iceOfNode(t.Node)
		if err != nil {
			return Evidence{}, err
		}
		return Evidence{Before: monotonic(), How: "freezer state"}, ice.hold(t.ID)
	},
	Verify: func(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
		ice, err := iceOfNode(t.Node)
		if err != nil {
			return Evidence{}, err
		}
		wait := ice.frozen
		if applied.Before == 0 { // looked at again: what was lost must show
			wait = func(ctx context.Context) (int64, int64, error) { return ice.await(ctx, true) }
		}
		last, first, err := wait(ctx)
		if err != nil {
			return Evidence{}, err
		}
		if applied.Before != 0 {
			// The order is the last moment at which nothing was frozen: tasks
			// freeze one by one from then on.
			last = applied.Before
		}
		return Evidence{Before: last, After: first, How: "freezer state", Detail: "FROZEN"}, nil
	},
	Undo: func(ctx context.Context, t *Target) (Evidence, error) {
		seen := Evidence{Before: monotonic(), How: "freezer state"}
		ice, err := iceOfNode(t.Node)
		if errors.Is(err, ErrNotRunning) {
			return seen, t.Host.thawContainer(ctx, t.Node.id)
		}
		if err != nil {
			return Evidence{}, err
		}
		return seen, ice.release(t.ID)
	},
	Undone: func(ctx context.Context, t *Target, undone Evidence) (Evidence, error) {
		ice, err := iceOfNode(t.Node)
		if errors.Is(err, ErrNotRunning) {
			return Evidence{Before: undone.Before, After: monotonic(), How: "freezer state", Detail: "the node does not run"}, nil
		}
		if err != nil {
			return Evidence{}, err
		}
		first, detail, err := ice.thawed(ctx)
		return Evidence{Before: undone.Before, After: first, How: "freezer state", Detail: detail}, err
	},
	Audit: func(_ context.Context, n *Node) ([]string, error) {
		ice, err := iceOfNode(n)
		if err != nil {
			return nil, err
		}
		if thawed, err := ice.is(false); thawed || err != nil {
			return nil, err
		}
		return []string{fmt.Sprintf("node %s is frozen", n.name)}, nil
	},
})
