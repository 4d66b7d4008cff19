package orders

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

const (
	cacheLimit   = 50 * time.Millisecond // a cache that takes longer is no help
	cacheAway    = time.Second           // how long a failed cache is left alone
	refreshLimit = 2 * time.Second
	jitter       = 0.2 // of a lifetime
)

// cached is a value with the time until which it is fresh.
type cached struct {
	price int64
	fresh time.Time
}

// cache stands before a loader of prices. Safe for concurrent use.
type cache struct {
	redis  *goredis.Client
	load   func(ctx context.Context, item uint64, seen string) (int64, error)
	config Config
	count  func(result string)

	flights singleflight.Group
	away    atomic.Int64 // nanoseconds of the Unix epoch until which Redis is left alone
	work    sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
}

func newCache(at netip.AddrPort, c Config, load func(context.Context, uint64, string) (int64, error), count func(string)) *cache {
	k := &cache{config: c, load: load, count: count}
	k.life, k.end = context.WithCancel(context.Background())
	if at.IsValid() {
		k.redis = goredis.NewClient(&goredis.Options{
			Addr: at.String(), Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1,
			DialTimeout: cacheLimit, ReadTimeout: cacheLimit, WriteTimeout: cacheLimit, ContextTimeoutEnabled: true, PoolSize: 64,
		})
	}
	return k
}

// close ends what goes on in the background.
func (k *cache) close() error {
	k.end()
	k.work.Wait()
	if k.redis == nil {
		return nil
	}
	return k.redis.Close()
}

// price returns the price of an item: the cached one, or the loaded one.
// Customers who name what they have seen are served from the database, since a
// cache knows nothing of that.
func (k *cache) price(ctx context.Context, item uint64, seen string) (int64, error) {
	if seen != "" || k.redis == nil {
		return k.load(ctx, item, seen)
	}
	value, found := k.look(ctx, item)
	switch now := time.Now(); {
	case found && now.Before(value.fresh):
		k.count("fresh")
		return value.price, nil
	case found && !k.config.NoGuards:
		k.count("stale")
		k.refresh(item)
		return value.price, nil
	}
	k.count("miss")
	if k.config.NoGuards {
		return k.fill(ctx, item)
	}
	// Whoever comes first asks for all; the others wait, each as long as it can.
	flight := make(chan singleflight.Result, 1)
	k.work.Go(func() {
		v, err, shared := k.flights.Do(key(item), func() (any, error) {
			loading, cancel := context.WithTimeout(k.life, refreshLimit)
			defer cancel()
			return k.fill(loading, item)
		})
		flight <- singleflight.Result{Val: v, Err: err, Shared: shared}
	})
	select {
	case r := <-flight:
		if r.Err != nil {
			return 0, r.Err
		}
		return r.Val.(int64), nil
	case <-ctx.Done():
		return 0, refused{fmt.Errorf("read item %d: %w", item, ctx.Err())}
	}
}

// refresh loads a value in the background, once at a time.
func (k *cache) refresh(item uint64) {
	k.work.Go(func() {
		_, _, _ = k.flights.Do(key(item), func() (any, error) { // the next reader tries again
			ctx, cancel := context.WithTimeout(k.life, refreshLimit)
			defer cancel()
			return k.fill(ctx, item)
		})
	})
}

// fill loads a value and caches it.
func (k *cache) fill(ctx context.Context, item uint64) (int64, error) {
	price, err := k.load(ctx, item, "")
	if err != nil {
		return 0, err
	}
	fresh, stale := k.config.Fresh, k.config.Stale
	if k.config.NoGuards {
		stale = 0
	} else {
		fresh = time.Duration(float64(fresh) * (1 + jitter*(rand.Float64()-0.5)))
	}
	k.try(ctx, func(ctx context.Context) error {
		value := strconv.FormatInt(price, 10) + " " + strconv.FormatInt(time.Now().Add(fresh).UnixMilli(), 10)
		return k.redis.Set(ctx, key(item), value, fresh+stale).Err()
	})
	return price, nil
}

// look asks the cache.
func (k *cache) look(ctx context.Context, item uint64) (value cached, found bool) {
	k.try(ctx, func(ctx context.Context) error {
		text, err := k.redis.Get(ctx, key(item)).Result()
		if errors.Is(err, goredis.Nil) {
			return nil
		}
		var until int64
		if err == nil {
			_, err = fmt.Sscanf(text, "%d %d", &value.price, &until)
		}
		value.fresh, found = time.UnixMilli(until), err == nil
		return err
	})
	return value, found
}

// try asks Redis within a short limit, unless it has just failed.
func (k *cache) try(ctx context.Context, ask func(context.Context) error) {
	if time.Now().UnixNano() < k.away.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, cacheLimit)
	defer cancel()
	if err := ask(ctx); err != nil {
		k.count("failed")
		k.away.Store(time.Now().Add(cacheAway).UnixNano())
	}
}

func key(item uint64) string { return "item:" + strconv.FormatUint(item, 10) }
