package memcached

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/hadrill/hadrill/harness"
)

// client is one virtual user: gomemcache, with its servers picked by selector.
// Where a server fails and is left out for it, the operation goes on to the
// next one within its own deadline; that is what ejection is for. Without
// ejection a failure is the operation's.
type client struct {
	library  *memcache.Client
	selector *selector
	timeout  time.Duration
}

// OpenCache implements harness.CacheStore.
func (r *Running) OpenCache(ctx context.Context, from harness.Vantage) (harness.CacheClient, error) {
	servers := make([]place, len(r.nodes))
	for i, n := range r.nodes {
		servers[i] = place{n.Name(), address(n)}
	}
	c := &client{selector: newSelector(r.declared, servers), timeout: r.declared.Timeout}
	c.library = memcache.NewFromSelector(c.selector)
	c.library.MaxIdleConns = 1
	c.library.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return from.DialContext(ctx, network, address)
	}
	// One connection to each server is made before the load begins.
	c.library.Timeout = time.Second
	if err := c.library.Ping(); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the servers: %w", err), c.Close())
	}
	return c, ctx.Err()
}

// on performs operation at the key's server, or at those after it on the ring.
func (c *client) on(ctx context.Context, key string, operation func() error) error {
	for {
		server, err := c.selector.pick(key)
		if err != nil {
			return err
		}
		// gomemcache knows no context: what is left of it becomes its time-out.
		c.library.Timeout = c.timeout
		if deadline, ok := ctx.Deadline(); ok {
			c.library.Timeout = min(c.timeout, time.Until(deadline))
		}
		if err := ctx.Err(); err != nil || c.library.Timeout <= 0 {
			return errors.Join(err, context.DeadlineExceeded)
		}
		err = operation()
		if err == nil || errors.Is(err, memcache.ErrCacheMiss) {
			c.selector.answered(server)
			return err
		}
		if c.selector.ejectAfter == 0 || !broken(err) {
			return fmt.Errorf("%s: %w", c.selector.servers[server].addr, err)
		}
		c.selector.failed(server) // and once more: there, or at the next
	}
}

// broken tells a server that fails from one that answers with an error.
func broken(err error) bool {
	return !errors.Is(err, memcache.ErrServerError) && !errors.Is(err, memcache.ErrMalformedKey)
}

func keyText(key uint64) string { return "key:" + strconv.FormatUint(key, 10) }

// Lookup implements harness.CacheClient.
func (c *client) Lookup(ctx context.Context, key uint64) (value int64, found bool, err error) {
	var item *memcache.Item
	err = c.on(ctx, keyText(key), func() (err error) {
		item, err = c.library.Get(keyText(key))
		return err
	})
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("look up key %d: %w", key, err)
	}
	value, err = strconv.ParseInt(string(item.Value), 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("look up key %d: %w", key, err)
	}
	return value, true, nil
}

// Fill implements harness.CacheClient.
func (c *client) Fill(ctx context.Context, key uint64, value int64) error {
	err := c.on(ctx, keyText(key), func() error {
		return c.library.Set(&memcache.Item{Key: keyText(key), Value: strconv.AppendInt(nil, value, 10)})
	})
	if err != nil {
		return fmt.Errorf("fill key %d: %w", key, err)
	}
	return nil
}

// Close implements harness.CacheClient.
func (c *client) Close() error { return c.library.Close() }
