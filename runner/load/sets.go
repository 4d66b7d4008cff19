package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Sets adds unique elements to sets and, after healing, reads the sets back:
// what was acknowledged and is absent was lost. The simplest workload that
// finds lost writes, and needs harness.SetStore of the system.
type Sets struct {
	Rate     float64       // adds a second; default 500
	Sets     int           // elements are spread over so many sets; default 16
	Schedule Schedule      // instead of Rate
	Clients  int           // virtual users; default by Rate and Timeout, 8..64
	Timeout  time.Duration // deadline of an operation; default 250 ms
	Zone     string        // client zone; "" is the data network
	Zones    []string      // client zones that share the rate, instead of Zone
}

var _ Load = Sets{}

func (s Sets) work() work {
	sets := uint64(s.Sets)
	if s.Sets <= 0 {
		sets = 16
	}
	return work{
		name: "sets", params: fmt.Sprintf("sets=%d", sets),
		streams: []stream{{plan: func(at slot, n uint64, op *record.Op) {
			op.Function = record.Add
			op.Value = at.unique(n)
			op.Key = at.key + uint64(op.Value)%sets
		}}},
		connect: capability("SetStore", "keeps no sets", func(ctx context.Context, store harness.SetStore, from harness.Vantage) (Client, error) {
			c, err := store.OpenSet(ctx, from)
			return setClient{c}, err
		}),
		readBack: func(ctx context.Context, b *back) error { return b.read(ctx, record.ReadSet, b.keys()) },
	}.common(s.Rate, s.Schedule, s.Clients, s.Timeout, s.Zone, s.Zones)
}

// Describe implements Load.
func (s Sets) Describe() string { return s.work().Describe() }

// Lanes implements Load: one a zone, then the definitive read.
func (s Sets) Lanes() []record.Lane { return s.work().Lanes() }

// Open implements Load.
func (s Sets) Open(ctx context.Context, t Target) (Session, error) { return s.work().Open(ctx, t) }

// setClient is a Client of sets.
type setClient struct{ harness.SetClient }

func (c setClient) Invoke(ctx context.Context, op *record.Op) error {
	if op.Function == record.Add {
		return c.Add(ctx, op.Key, op.Value)
	}
	elements, err := c.Elements(ctx, op.Key)
	if err != nil {
		return err
	}
	// An empty set was read, which is not the same as not read. In order,
	// because a set has none and differences then code small.
	op.Values = append(make([]int64, 0, len(elements)), elements...)
	slices.Sort(op.Values)
	return nil
}
