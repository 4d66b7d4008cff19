package faults

import (
	"context"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "power-cut",
	Meaning: "the node dies in an instant, and its disks forget what was not synced",
	Ladder:  plainDiskLadder,
	Proof:   "the file systems are shut down and the process's pidfd becomes readable",
	Healing: "the file systems are mounted anew, then the container is started again",
})

// PowerCut kills the nodes together with their disks: the node is frozen, its
// file systems are shut down without writing anything, and it is killed. It
// needs a disk of the run in every node. Peers see connections closed; for
// silence as well, cut the nodes off first ([Isolate]).
func PowerCut(aim harness.Selector) Fault { return powerCut{aim} }

type powerCut struct{ aim harness.Selector }

func (p powerCut) Spec() Spec { return Spec{Fault: "power-cut", Aim: text(p.aim)} }

func (p powerCut) Requires() []Mechanism { return []Mechanism{LoopDevice, Pidfd, Freezer} }

func (p powerCut) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "power-cut", p.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionPowerCut, nil)
}
