package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "crash-loop",
	Meaning: "the node dies, is started, runs for a moment and dies again",
	Ladder:  []Mechanism{Pidfd},
	Proof:   "the first process's pidfd becomes readable; the agent counts the deaths",
	Healing: "the loop ends; the node is started unless it runs",
})

// CrashLoop kills the nodes, starts them, and kills them again when they have
// run for up, as an orchestrator does with a service that dies of its own
// start. It ends after so many deaths (at most 1000), or when healed.
func CrashLoop(aim harness.Selector, up time.Duration, deaths int) Fault {
	return crashLoop{aim, up, deaths}
}

type crashLoop struct {
	aim    harness.Selector
	up     time.Duration
	deaths int
}

func (c crashLoop) Spec() Spec {
	return Spec{"crash-loop", text(c.aim), fmt.Sprintf("up=%v deaths=%d", c.up, c.deaths)}
}

func (c crashLoop) Requires() []Mechanism { return []Mechanism{Pidfd} }

func (c crashLoop) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "crash-loop", c.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionCrashLoop, agent.CrashLoopParams{Up: c.up, Times: c.deaths})
}
