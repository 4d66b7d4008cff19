package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Queues produces unique messages, consumes them beside, and after healing
// drains the queues: what was confirmed and never came out was lost, what came
// out twice is a duplicate. It needs harness.QueueStore of the system.
//
// Consuming is evidence and not judged: an empty queue is no outage. With one
// consumer, the order in which messages came out is their order in the
// history.
type Queues struct {
	Rate      float64       // messages a second; default 500
	Queues    int           // messages are spread over so many; default 4
	Consumers int           // virtual users that consume; default 4
	Schedule  Schedule      // instead of Rate
	Clients   int           // virtual users that produce; default by Rate and Timeout, 8..64
	Timeout   time.Duration // deadline of an operation; default 1 s
	Zone      string        // client zone; "" is the data network
	Zones     []string      // client zones that share the rate and the queues, instead of Zone
}

var _ Load = Queues{}

// quietReads is how often in turn a queue must be found empty to be drained:
// a message may be on its way back from a consumer that went.
const quietReads = 3

func (q Queues) work() work {
	queues := uint64(or(q.Queues, 4))
	consumers := or(q.Consumers, 4)
	return work{
		name:   "queues",
		params: fmt.Sprintf("queues=%d consumers=%d", queues, consumers),
		streams: []stream{
			{plan: func(at slot, n uint64, op *record.Op) {
				op.Function, op.Value = record.Enqueue, at.unique(n)
				op.Key = at.key + uint64(op.Value)%queues
			}},
			{suffix: "/consume", users: consumers, evidence: true, plan: func(at slot, n uint64, op *record.Op) {
				op.Function, op.Key = record.Dequeue, at.key+n%queues
			}},
		},
		connect: capability("QueueStore", "keeps no queues", func(ctx context.Context, store harness.QueueStore, from harness.Vantage) (Client, error) {
			c, err := store.OpenQueue(ctx, from)
			return queueClient{c}, err
		}),
		readBack: func(ctx context.Context, b *back) error {
			for i := range queues {
				if err := b.drain(ctx, b.target.KeyBase+i); err != nil {
					return errors.Join(fmt.Errorf("drain queue %d: %w", b.target.KeyBase+i, err), b.hangUp())
				}
			}
			return b.hangUp()
		},
	}.common(q.Rate, q.Schedule, q.Clients, or(q.Timeout, time.Second), q.Zone, q.Zones)
}

// drain takes out of a queue until it stays empty.
func (b *back) drain(ctx context.Context, queue uint64) error {
	for quiet := 0; quiet < quietReads; {
		var op record.Op
		if err := b.insist(ctx, func(c Client) error {
			op = record.Op{Function: record.Dequeue, Key: queue}
			return b.attempt(ctx, c, &op)
		}); err != nil {
			return err
		}
		if op.Value != record.Absent {
			quiet = 0
			continue
		}
		if quiet++; quiet < quietReads && pause(ctx) != nil {
			return ctx.Err()
		}
	}
	return nil
}

// Describe implements Load.
func (q Queues) Describe() string { return q.work().Describe() }

// Lanes implements Load: for each zone one of producers and one of consumers;
// then the draining.
func (q Queues) Lanes() []record.Lane { return q.work().Lanes() }

// Open implements Load.
func (q Queues) Open(ctx context.Context, t Target) (Session, error) { return q.work().Open(ctx, t) }

// queueClient is a Client of queues.
type queueClient struct{ harness.QueueClient }

func (c queueClient) Invoke(ctx context.Context, op *record.Op) error {
	if op.Function == record.Enqueue {
		return c.Enqueue(ctx, op.Key, op.Value)
	}
	value, found, err := c.Dequeue(ctx, op.Key)
	if op.Value = value; !found {
		op.Value = record.Absent
	}
	return err
}
