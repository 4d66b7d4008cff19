package faults

import (
	"context"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "kill",
	Meaning: "the node's first process dies at once (SIGKILL); its peers see their connections closed",
	Ladder:  []Mechanism{Pidfd},
	Proof:   "the process's pidfd becomes readable",
	Healing: "the container is started again",
})

// Kill kills the nodes' first processes at once, as a crash does: their peers
// see the connections closed. For a machine that just goes silent see
// [PowerLoss]. Healing starts the nodes again.
func Kill(aim harness.Selector) Fault { return kill{aim} }

type kill struct{ aim harness.Selector }

func (k kill) Spec() Spec            { return Spec{Fault: "kill", Aim: text(k.aim)} }
func (k kill) Requires() []Mechanism { return []Mechanism{Pidfd} }

func (k kill) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "kill", k.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionKill, nil)
}
