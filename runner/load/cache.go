package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Cache looks keys up as an application does that keeps a cache beside its
// database (cache-aside): a hit is an answer; a miss is answered by the origin,
// which always knows, and the cache is filled with it. It needs
// harness.CacheStore of the system.
//
//	lane "cache"        a hit is ok, a miss degraded: correct, but from the origin;
//	                    an error of the cache is an error
//	lane "cache/hits"   a miss is a failed operation, so that the availability
//	                    of this lane is the hit ratio
//
// All keys are cached before the load begins, so every miss is the fault's.
// A cached value that is not the origin's is an error in either lane.
type Cache struct {
	Rate     float64       // lookups a second in each lane; default 500
	Keys     int           // default 1000
	Schedule Schedule      // instead of Rate
	Clients  int           // virtual users of each lane; default by Rate and Timeout, 8..64
	Timeout  time.Duration // deadline of a lookup with its fill; default 250 ms
	Zone     string        // client zone; "" is the data network
}

var _ Load = Cache{}

// wantsHit marks the operations of the lane that counts hits.
const wantsHit = 1

func (c Cache) keys() uint64 { return uint64(or(c.Keys, 1000)) }

func (c Cache) work() work {
	plan := func(expect int64) func(slot, uint64, *record.Op) {
		return func(at slot, n uint64, op *record.Op) {
			op.Function, op.Key, op.Expect = record.Request, at.key+at.random(n)>>32%c.keys(), expect
		}
	}
	return work{
		name: "cache", params: fmt.Sprintf("keys=%d", c.keys()),
		streams: []stream{{plan: plan(0)}, {suffix: "/hits", aside: true, plan: plan(wantsHit)}},
		connect: capability("CacheStore", "caches nothing", func(ctx context.Context, store harness.CacheStore, from harness.Vantage) (Client, error) {
			client, err := store.OpenCache(ctx, from)
			return cacheClient{client}, err
		}),
	}.common(c.Rate, c.Schedule, c.Clients, c.Timeout, c.Zone, nil)
}

// Describe implements Load.
func (c Cache) Describe() string { return c.work().Describe() }

// Lanes implements Load: all lookups, then those that count the hits.
func (c Cache) Lanes() []record.Lane { return c.work().Lanes() }

// Open implements Load: it connects the users and fills the cache.
func (c Cache) Open(ctx context.Context, t Target) (Session, error) {
	s, err := c.work().Open(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := c.warm(ctx, t); err != nil {
		return nil, errors.Join(fmt.Errorf("load cache: fill: %w", err), s.Close())
	}
	return s, nil
}

// warm caches every key.
func (c Cache) warm(ctx context.Context, t Target) error {
	from, err := t.vantage(c.Zone)
	if err != nil {
		return err
	}
	client, err := t.Running.(harness.CacheStore).OpenCache(ctx, from) // connect has asked already
	if err != nil {
		return err
	}
	for key := t.KeyBase; key < t.KeyBase+c.keys(); key++ {
		if err := client.Fill(ctx, key, origin(key)); err != nil {
			return errors.Join(err, client.Close())
		}
	}
	return client.Close()
}

// origin is the source of truth behind the cache.
func origin(key uint64) int64 { return int64(mix(0, key) >> 1) }

const (
	errCacheMiss   = classed("cache miss: answered by the origin")
	errCachedWrong = classed("the cache answered with a wrong value")
)

// cacheClient is a Client of a cache.
type cacheClient struct{ harness.CacheClient }

func (c cacheClient) Invoke(ctx context.Context, op *record.Op) error {
	wanted := op.Expect == wantsHit
	op.Expect = 0
	value, found, err := c.Lookup(ctx, op.Key)
	if err != nil {
		return err
	}
	if found {
		if op.Value = value; value != origin(op.Key) {
			return errCachedWrong
		}
		return nil
	}
	op.Value = origin(op.Key)
	if err := c.Fill(ctx, op.Key, op.Value); err != nil {
		return err
	}
	if wanted {
		return harness.Definite(errCacheMiss)
	}
	op.Outcome = record.Degraded
	return nil
}
