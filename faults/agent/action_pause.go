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
		f, err := freezerOfNode(t.Node)
		if err != nil {
			return Evidence{}, err
		}
		seen := Evidence{Before: monotonic(), How: "freezer state"}
		if err := f.set(true); err != nil {
			return Evidence{}, errors.Join(err, f.set(false))
		}
		return seen, nil
	},
	Verify: func(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
		f, err := freezerOfNode(t.Node)
		if err != nil {
			return Evidence{}, err
		}
		last, first, err := f.await(ctx, true)
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
		f, err := freezerOfNode(t.Node)
		if errors.Is(err, ErrNotRunning) {
			return seen, t.Host.thawContainer(ctx, t.Node.id)
		}
		if err != nil {
			return Evidence{}, err
		}
		return seen, f.set(false)
	},
	Undone: func(ctx context.Context, t *Target, undone Evidence) (Evidence, error) {
		f, err := freezerOfNode(t.Node)
		if errors.Is(err, ErrNotRunning) {
			return Evidence{Before: undone.Before, After: monotonic(), How: "freezer state", Detail: "the node does not run"}, nil
		}
		if err != nil {
			return Evidence{}, err
		}
		_, first, err := f.await(ctx, false)
		return Evidence{Before: undone.Before, After: first, How: "freezer state", Detail: "THAWED"}, err
	},
	Audit: func(_ context.Context, n *Node) ([]string, error) {
		f, err := freezerOfNode(n)
		if err != nil {
			return nil, err
		}
		if thawed, err := f.is(false); thawed || err != nil {
			return nil, err
		}
		return []string{fmt.Sprintf("node %s is frozen", n.name)}, nil
	},
})

func freezerOfNode(n *Node) (freezer, error) {
	l, err := n.Life()
	if err != nil {
		return freezer{}, err
	}
	return freezerOf(l)
}
