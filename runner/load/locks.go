package load

import (
	"context"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Locks takes and gives back locks: two holders at once, or a fencing token
// that does not increase, is a violation. It needs harness.LockStore of the
// system. Its lane is evidence: that another holds the lock is a correct
// answer and no outage.
type Locks struct {
	Rate     float64       // operations a second; default 100
	Locks    int           // default 4
	Schedule Schedule      // instead of Rate
	Clients  int           // virtual users; default 8
	Timeout  time.Duration // deadline of an operation; default 1 s
	Zone     string        // client zone; "" is the data network
	Zones    []string      // client zones that share the rate and the locks, instead of Zone
}

var _ Load = Locks{}

func (l Locks) work() work {
	locks := uint64(or(l.Locks, 4))
	return work{
		name: "locks", params: fmt.Sprintf("locks=%d", locks),
		streams: []stream{{evidence: true, plan: func(at slot, n uint64, op *record.Op) {
			op.Function, op.Key = record.Acquire, at.key+at.random(n)>>32%locks
		}}},
		connect: capability("LockStore", "gives no locks", func(ctx context.Context, store harness.LockStore, from harness.Vantage) (Client, error) {
			c, err := store.OpenLocks(ctx, from)
			return &lockClient{LockClient: c}, err
		}),
	}.common(or(l.Rate, 100), l.Schedule, or(l.Clients, 8), or(l.Timeout, time.Second), l.Zone, l.Zones)
}

// Describe implements Load.
func (l Locks) Describe() string { return l.work().Describe() }

// Lanes implements Load.
func (l Locks) Lanes() []record.Lane { return l.work().Lanes() }

// Open implements Load.
func (l Locks) Open(ctx context.Context, t Target) (Session, error) { return l.work().Open(ctx, t) }

// lockClient is a Client of locks: a user that holds a lock gives it back
// before it takes another, whatever was planned for it.
type lockClient struct {
	harness.LockClient
	holds bool
	lock  uint64
}

// errLockHeld is the answer that another holds the lock.
const errLockHeld = classed("lock held by another")

func (c *lockClient) Invoke(ctx context.Context, op *record.Op) error {
	if c.holds {
		c.holds = false // or unknown: the user asks no more
		op.Function, op.Key = record.Release, c.lock
		return c.Release(ctx, op.Key)
	}
	token, acquired, err := c.Acquire(ctx, op.Key)
	if err != nil {
		return err
	}
	if !acquired {
		return harness.Definite(errLockHeld)
	}
	op.Value = token
	c.holds, c.lock = true, op.Key
	return nil
}
