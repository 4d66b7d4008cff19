package faults

import (
	"context"
	"fmt"

	"github.com/hadrill/hadrill/faults/agent"
)

var _ = describe(Entry{
	Name:    "loss",
	Meaning: "each packet on the link is lost with the same chance, independent of the others",
	Ladder:  []Mechanism{Nftables},
	Proof:   filterProof,
	Healing: filterHealing,
})

// Loss loses each packet of a link with a chance between 0 and 1. Every packet
// is drawn for itself; for losses in bursts, as congested and radio links have
// them, see [BurstLoss]. With segmentation offload a packet may be up to 64 KiB
// of a connection's data, as it is between containers of one host.
func Loss(l Link, chance float64) Fault {
	return lossy{filtered{"loss", l, agent.FilterParams{Chance: chance}, fmt.Sprintf("chance=%g", chance)}, chance}
}

// lossy checks its chance: zero would mean "every packet" to a filter.
type lossy struct {
	filtered
	chance float64
}

func (l lossy) Inject(ctx context.Context, f *Field) (Injection, error) {
	if l.chance <= 0 || l.chance > 1 {
		return nil, fmt.Errorf("loss: chance %g: want more than 0 and at most 1", l.chance)
	}
	return l.filtered.Inject(ctx, f)
}
