package load

import (
	"context"

	"github.com/hadrill/hadrill/runner/record"
)

// CutOff declares that the scenario cuts this load's clients off: what is
// acknowledged to them counts for durability, and their outage is not judged.
func CutOff(l Load) Load { return cutOff{l} }

type cutOff struct{ load Load }

func (c cutOff) Describe() string { return c.load.Describe() + " cut-off" }

func (c cutOff) Lanes() []record.Lane {
	lanes := c.load.Lanes()
	for i := range lanes {
		lanes[i].CutOff = !lanes[i].Evidence
	}
	return lanes
}

func (c cutOff) Open(ctx context.Context, t Target) (Session, error) { return c.load.Open(ctx, t) }
