package faults

import (
	"context"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "pause",
	Meaning: "the node is frozen: it does nothing, while its kernel goes on accepting connections",
	Ladder:  []Mechanism{Freezer},
	Proof:   "the cgroup's freezer state",
	Healing: "the cgroup is thawed",
})

// Pause freezes every process of the nodes: a stopped clock, a long garbage
// collection, a stalled hypervisor. Their kernels go on accepting connections,
// so only an answer tells. Healing thaws them; they do not know they slept.
func Pause(aim harness.Selector) Fault { return pause{aim} }

type pause struct{ aim harness.Selector }

func (p pause) Spec() Spec            { return Spec{Fault: "pause", Aim: text(p.aim)} }
func (p pause) Requires() []Mechanism { return []Mechanism{Freezer} }

func (p pause) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "pause", p.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionPause, nil)
}
