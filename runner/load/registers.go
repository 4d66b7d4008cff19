package load

import (
	"context"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Registers reads and writes registers with unique values, and after healing
// reads every register once more: the history of a linearizability check. It
// needs harness.RegisterStore of the system.
//
// CompareAndSet adds a lane of its own that is evidence only: a swap refused
// because another user was faster is a correct answer, and must not count as
// an unavailable one.
type Registers struct {
	Rate          float64       // reads and writes a second; default 500
	Keys          int           // registers; default 100
	Writes        float64       // share of writes, 0..1; default 0.5
	CompareAndSet float64       // compare-and-sets beside, as a share of Rate, at most 1; default none
	Schedule      Schedule      // instead of Rate
	Clients       int           // virtual users; default by Rate and Timeout, 8..64
	Timeout       time.Duration // deadline of an operation; default 250 ms
	Zone          string        // client zone; "" is the data network
	Zones         []string      // client zones that share the rate and the registers, instead of Zone
}

var _ Load = Registers{}

func (r Registers) work() work {
	keys := uint64(r.Keys)
	if r.Keys <= 0 {
		keys = 100
	}
	writes := r.Writes
	if writes <= 0 {
		writes = 0.5
	}
	streams := []stream{{plan: func(at slot, n uint64, op *record.Op) {
		random := at.random(n)
		op.Key = at.key + random>>32%keys
		op.Function = record.Read
		if float64(random&(1<<20-1)) < writes*(1<<20) {
			op.Function, op.Value = record.Write, at.unique(n)
		}
	}}}
	params := fmt.Sprintf("keys=%d writes=%g", keys, writes)
	if r.CompareAndSet > 0 {
		oneIn := max(uint64(1/r.CompareAndSet+0.5), 1)
		params += fmt.Sprintf(" cas=1/%d", oneIn)
		streams = append(streams, stream{suffix: "/cas", oneIn: oneIn, evidence: true, plan: func(at slot, n uint64, op *record.Op) {
			op.Key = at.key + at.random(n)>>32%keys
			op.Function, op.Value = record.CompareAndSet, at.unique(n)
		}})
	}
	return work{
		name: "registers", params: params, streams: streams,
		connect: capability("RegisterStore", "keeps no registers", func(ctx context.Context, store harness.RegisterStore, from harness.Vantage) (Client, error) {
			c, err := store.OpenRegisters(ctx, from)
			return registerClient{c}, err
		}),
		readBack: func(ctx context.Context, b *back) error { return b.read(ctx, record.Read, b.keys()) },
	}.common(r.Rate, r.Schedule, r.Clients, r.Timeout, r.Zone, r.Zones)
}

// Describe implements Load.
func (r Registers) Describe() string { return r.work().Describe() }

// Lanes implements Load: for each zone one of reads and writes and, where
// wanted, one of compare-and-sets; then the definitive read.
func (r Registers) Lanes() []record.Lane { return r.work().Lanes() }

// Open implements Load.
func (r Registers) Open(ctx context.Context, t Target) (Session, error) {
	return r.work().Open(ctx, t)
}

// registerClient is a Client of registers.
type registerClient struct{ harness.RegisterClient }

// errNotSwapped is the answer to a compare-and-set that came second.
const errNotSwapped = classed("compare-and-set refused: the value had changed")

// errNothingToSwap is a compare-and-set on a register without a value.
const errNothingToSwap = classed("compare-and-set not sent: the register has no value yet")

func (c registerClient) Invoke(ctx context.Context, op *record.Op) error {
	switch op.Function {
	case record.Read:
		value, found, err := c.Read(ctx, op.Key)
		if op.Value = value; !found || err != nil {
			op.Value = record.Absent
		}
		return err
	case record.Write:
		return c.Write(ctx, op.Key, op.Value)
	}
	// The expected value is read within the operation: its one effect is the
	// swap, which lies between start and end as the history says.
	old, found, err := c.Read(ctx, op.Key)
	if err != nil {
		return harness.Definite(err)
	}
	if !found {
		return harness.Definite(errNothingToSwap)
	}
	op.Expect = old
	swapped, err := c.CompareAndSet(ctx, op.Key, old, op.Value)
	if err == nil && !swapped {
		return harness.Definite(errNotSwapped)
	}
	return err
}
