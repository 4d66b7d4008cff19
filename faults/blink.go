package faults

import (
	"context"
	"time"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "blink",
	Meaning: "the node is frozen for an exactly known time and thaws by itself",
	Ladder:  []Mechanism{Freezer},
	Proof:   "the cgroup's freezer state",
	Healing: "it heals itself; healing early thaws at once",
})

// Blink freezes the nodes for exactly d, timed by one thread of the agent: an
// outage of known length to calibrate against, or a pause shorter than a
// message could time.
func Blink(aim harness.Selector, d time.Duration) Fault { return blink{aim, d} }

type blink struct {
	aim harness.Selector
	d   time.Duration
}

func (b blink) Spec() Spec {
	return Spec{Fault: "blink", Aim: text(b.aim), Params: b.d.String()}
}
func (b blink) Requires() []Mechanism { return []Mechanism{Freezer} }

func (b blink) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "blink", b.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionBlink, agent.BlinkParams{Nanos: int64(b.d)})
}
