package kafka

import (
	"context"
	"fmt"

	"github.com/hadrill/hadrill/harness"
)

// Controller selects the node whose controller is active: the one that a
// majority of the nodes knows as such. harness.Primary selects the leader of
// the topic's partitions.
var Controller harness.Selector = controller{}

type controller struct{}

func (controller) Select(ctx context.Context, sys harness.Running) ([]*harness.Node, error) {
	r, ok := sys.(*Running)
	if !ok {
		return nil, fmt.Errorf("select controller: the system is no Kafka cluster (%T)", sys)
	}
	id, err := r.active(ctx, settleLimit)
	if err != nil {
		return nil, fmt.Errorf("select controller: %w", err)
	}
	return harness.Named(nodeName(id)).Select(ctx, sys)
}

func (controller) String() string { return "controller" }

// Follower selects the node that neither leads the topic's partitions nor has
// the active controller.
var Follower harness.Selector = follower{}

type follower struct{}

func (follower) Select(ctx context.Context, sys harness.Running) ([]*harness.Node, error) {
	leaders, err := harness.Primary.Select(ctx, sys)
	if err != nil {
		return nil, err
	}
	active, err := Controller.Select(ctx, sys)
	if err != nil {
		return nil, err
	}
	for _, n := range sys.Nodes() {
		if n != active[0] && n != leaders[0] {
			return []*harness.Node{n}, nil
		}
	}
	return nil, fmt.Errorf("select follower: no node is left")
}

func (follower) String() string { return "follower" }
