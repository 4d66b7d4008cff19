package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Lists appends unique values to lists and reads lists, several at a time in
// one transaction, and after healing reads every list once more. The order of
// a list shows the order of its writers, so that dependency cycles can be
// found (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from
// Experimental Observations", VLDB 2020). It needs harness.TransactionStore
// of the system.
//
// With Registers, steps read and write registers instead: what list-append
// cannot show is how a database treats a blind overwrite.
type Lists struct {
	Rate      float64       // transactions a second; default 500
	Keys      int           // lists in use at a time; default 10
	Length    int           // appends to a list, about, before a new one takes its place; default 30
	Steps     int           // a transaction has 1 to so many; default 4
	Reads     float64       // share of reads among the steps, 0..1; default 0.5
	Registers bool          // registers instead of lists
	Schedule  Schedule      // instead of Rate
	Clients   int           // virtual users; default by Rate and Timeout, 8..64
	Timeout   time.Duration // deadline of a transaction; default 1 s
	Zone      string        // client zone; "" is the data network
	Zones     []string      // client zones that share the rate and the lists, instead of Zone
}

var _ Load = Lists{}

func (l Lists) work() work {
	keys, length, steps := or(l.Keys, 10), or(l.Length, 30), or(l.Steps, 4)
	reads := l.Reads
	if reads <= 0 {
		reads = 0.5
	}
	read, write, final, name := record.ReadList, record.Append, record.ReadList, "lists"
	if l.Registers {
		read, write, final, name = record.Read, record.Write, record.Read, "transactions"
	}
	appends := (1 - reads) * float64(1+steps) / 2 // a transaction, on average
	generation := max(uint64(float64(keys*length)/max(appends, 0.01)), 1)
	return work{
		name:   name,
		params: fmt.Sprintf("keys=%d length=%d steps=%d reads=%g", keys, length, steps, reads),
		streams: []stream{{plan: func(at slot, n uint64, op *record.Op) {
			random := at.random(n)
			op.Function = record.Transaction
			op.Micro = make([]record.Micro, 1+random%uint64(steps))
			base := at.key + n*at.of/generation*uint64(keys)
			for i := range op.Micro {
				random = mix(random, uint64(i))
				m := &op.Micro[i]
				m.Key = base + random>>32%uint64(keys)
				m.Function = read
				if float64(random&(1<<20-1)) >= reads*(1<<20) {
					m.Function = write
					m.Value = (at.unique(n)-1)*int64(steps) + int64(i) + 1
				}
			}
		}}},
		connect: capability("TransactionStore", "performs no transactions", func(ctx context.Context, store harness.TransactionStore, from harness.Vantage) (Client, error) {
			c, err := store.OpenTransactions(ctx, from)
			return transactionClient{c}, err
		}),
		readBack: func(ctx context.Context, b *back) error { return b.read(ctx, final, b.stepKeys()) },
	}.common(l.Rate, l.Schedule, l.Clients, or(l.Timeout, time.Second), l.Zone, l.Zones)
}

// or returns v, or its default when it is not above zero.
func or[N int | float64 | time.Duration](v, otherwise N) N {
	if v > 0 {
		return v
	}
	return otherwise
}

// Describe implements Load.
func (l Lists) Describe() string { return l.work().Describe() }

// Lanes implements Load: one a zone, then the definitive read.
func (l Lists) Lanes() []record.Lane { return l.work().Lanes() }

// Open implements Load.
func (l Lists) Open(ctx context.Context, t Target) (Session, error) { return l.work().Open(ctx, t) }

// stepKeys returns the keys of planned transactions, in order.
func (b *back) stepKeys() []uint64 {
	var keys []uint64
	seen := map[uint64]bool{}
	b.planned(func(op *record.Op) {
		for _, m := range op.Micro {
			if !seen[m.Key] {
				seen[m.Key] = true
				keys = append(keys, m.Key)
			}
		}
	})
	slices.Sort(keys)
	return keys
}

// transactionClient is a Client of transactions.
type transactionClient struct{ harness.TransactionClient }

var stepKinds = map[record.Function]harness.StepKind{
	record.Append: harness.StepAppend, record.ReadList: harness.StepReadList,
	record.Write: harness.StepWrite, record.Read: harness.StepRead,
}

func (c transactionClient) Invoke(ctx context.Context, op *record.Op) error {
	if op.Function != record.Transaction { // a read of the definitive read
		one := record.Op{Function: record.Transaction, Micro: []record.Micro{{Function: op.Function, Key: op.Key}}}
		err := c.Invoke(ctx, &one)
		op.Value, op.Values = one.Micro[0].Value, one.Micro[0].Values
		return err
	}
	steps := make([]harness.Step, len(op.Micro))
	for i, m := range op.Micro {
		steps[i] = harness.Step{Kind: stepKinds[m.Function], Key: m.Key, Value: m.Value}
	}
	if err := c.Transact(ctx, steps); err != nil {
		return err // what an aborted transaction read is no evidence
	}
	// A new list: the plan's may be shared with a guard that gave up on us.
	micro := slices.Clone(op.Micro)
	for i := range steps {
		switch steps[i].Kind {
		case harness.StepReadList:
			micro[i].Values = append([]int64{}, steps[i].Values...)
		case harness.StepRead:
			if micro[i].Value = steps[i].Value; !steps[i].Found {
				micro[i].Value = record.Absent
			}
		}
	}
	op.Micro = micro
	return nil
}
