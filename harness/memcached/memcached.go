package memcached

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const port = 11211

// Hashing is how a client deals keys out to servers.
type Hashing string

// The ways of hashing.
const (
	Consistent Hashing = "consistent" // a ring, as libketama lays it out
	Modulo     Hashing = "modulo"     // gomemcache's own: hash modulo number of servers
)

// Pool is a number of Memcached servers, and how clients use them.
type Pool struct {
	Servers int // at least 2
	// Hashing deals keys out; empty: Consistent.
	Hashing Hashing
	// EjectAfter is after how many failures in a row a client leaves a server
	// out. 0: never.
	EjectAfter int
	// RetryAfter is for how long it does so; 0: 2 s.
	RetryAfter time.Duration
	// Timeout is how long a client waits for a server; 0: 100 ms.
	Timeout time.Duration
	// MemoryMB is what each server may cache; 0: Memcached's own 64 MB.
	MemoryMB int
	// Zones places server i in Zones[i mod len]. Empty: one zone.
	Zones []string
}

// The defaults of a Pool's clients.
const (
	defaultRetryAfter = 2 * time.Second
	defaultTimeout    = 100 * time.Millisecond
)

// Name implements harness.System.
func (Pool) Name() string { return "memcached" }

var _ harness.System = Pool{}

// check refuses what cannot be meant.
func (p Pool) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(p.Servers < 2, "Servers: want at least 2")
	refuse(p.Hashing != "" && p.Hashing != Consistent && p.Hashing != Modulo, `Hashing: want "consistent" or "modulo"`)
	refuse(p.EjectAfter < 0 || p.MemoryMB < 0, "EjectAfter, MemoryMB: want none below zero")
	refuse(p.RetryAfter < 0 || p.Timeout < 0, "durations: want none below zero")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("memcached.Pool: %w", err)
	}
	return nil
}

// filled returns p with its defaults.
func (p Pool) filled() Pool {
	if p.Hashing == "" {
		p.Hashing = Consistent
	}
	if p.RetryAfter == 0 {
		p.RetryAfter = defaultRetryAfter
	}
	if p.Timeout == 0 {
		p.Timeout = defaultTimeout
	}
	return p
}

func (p Pool) command() []string {
	// Memcached refuses to run as root; every image knows nobody. No UDP.
	c := []string{"memcached", "-u", "nobody", "-l", "0.0.0.0", "-p", strconv.Itoa(port), "-U", "0", "-t", "2"}
	if p.MemoryMB > 0 {
		c = append(c, "-m", strconv.Itoa(p.MemoryMB))
	}
	return c
}

func (p Pool) zone(i int) string {
	if len(p.Zones) == 0 {
		return ""
	}
	return p.Zones[i%len(p.Zones)]
}

// Start implements harness.System.
func (p Pool) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	var specs []harness.NodeSpec
	for i := range p.Servers {
		specs = append(specs, harness.NodeSpec{
			Name: fmt.Sprintf("memcached-%d", i+1), Component: "memcached", Zone: p.zone(i),
			Command: p.command(),
			Ready: func(ctx context.Context, n *harness.Node) error {
				a := &asker{from: env.Data(), addr: address(n)}
				defer a.close()
				return a.version(ctx)
			},
		})
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	return newRunning(p.filled(), env, nodes), nil
}
