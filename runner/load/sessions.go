package load

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Sessions writes and then reads twice, each user a register of its own: a
// read that misses the user's own write breaks read-your-writes, a second read
// that is older than the first breaks monotonic reads (Terry et al., "Session
// Guarantees for Weakly Consistent Replicated Data", PDIS 1994). It needs
// harness.RegisterStore of the system, whose clients may read where the system
// sends them: a replica, for instance.
type Sessions struct {
	Rate     float64       // operations a second; default 500
	Schedule Schedule      // instead of Rate
	Clients  int           // virtual users; default by Rate and Timeout, 8..64
	Timeout  time.Duration // deadline of an operation; default 250 ms
	Zone     string        // client zone; "" is the data network
	Zones    []string      // client zones that share the rate, instead of Zone
}

var _ Load = Sessions{}

func (s Sessions) work() work {
	users := new(atomic.Uint64) // of one opened session; work is made for each
	return work{
		name: "sessions",
		streams: []stream{{plan: func(at slot, n uint64, op *record.Op) {
			op.Function, op.Key, op.Value = record.Write, at.key, at.unique(n)
		}}},
		connect: capability("RegisterStore", "keeps no registers", func(ctx context.Context, store harness.RegisterStore, from harness.Vantage) (Client, error) {
			c, err := store.OpenRegisters(ctx, from)
			return &sessionClient{registerClient: registerClient{c}, own: users.Add(1) - 1}, err
		}),
		readBack: func(ctx context.Context, b *back) error {
			keys := make([]uint64, users.Load())
			for i := range keys {
				keys[i] = b.target.KeyBase + uint64(i)
			}
			return b.read(ctx, record.Read, keys)
		},
	}.common(s.Rate, s.Schedule, s.Clients, s.Timeout, s.Zone, s.Zones)
}

// Describe implements Load.
func (s Sessions) Describe() string { return s.work().Describe() }

// Lanes implements Load: one a zone, then the definitive read.
func (s Sessions) Lanes() []record.Lane { return s.work().Lanes() }

// Open implements Load.
func (s Sessions) Open(ctx context.Context, t Target) (Session, error) { return s.work().Open(ctx, t) }

// sessionClient is a Client of one session: write, read, read.
type sessionClient struct {
	registerClient
	own  uint64 // the user's register, from the load's first key
	step int
}

func (c *sessionClient) Invoke(ctx context.Context, op *record.Op) error {
	if op.Function == record.Read { // the definitive read: any register, no session
		return c.registerClient.Invoke(ctx, op)
	}
	op.Key += c.own
	if c.step++; c.step%3 != 1 {
		op.Function, op.Value = record.Read, 0
	}
	return c.registerClient.Invoke(ctx, op)
}
