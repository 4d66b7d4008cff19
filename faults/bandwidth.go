package faults

import (
	"context"
	"fmt"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "bandwidth",
	Meaning: "the node's network is narrow: what it sends and what arrives waits in a queue, and is lost when that is full",
	Ladder:  []Mechanism{TokenBucket},
	Proof:   "the token buckets as the kernel lists them",
	Healing: "they are deleted",
})

// Bandwidth narrows the nodes' networks to so many bytes a second in each
// direction; 0 leaves a direction as it is. Packets wait in token buckets, up to
// about a tenth of a second, on the node's own side of each network.
func Bandwidth(aim harness.Selector, out, in uint64) Fault { return bandwidth{aim, out, in} }

type bandwidth struct {
	aim     harness.Selector
	out, in uint64
}

func (b bandwidth) Spec() Spec {
	return Spec{"bandwidth", text(b.aim), fmt.Sprintf("out=%d in=%d", b.out, b.in)}
}

func (b bandwidth) Requires() []Mechanism {
	if b.in > 0 {
		return []Mechanism{TokenBucket, IntermediateDevice}
	}
	return []Mechanism{TokenBucket}
}

func (b bandwidth) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "bandwidth", b.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionBandwidth, agent.BandwidthParams{Out: b.out, In: b.in})
}
