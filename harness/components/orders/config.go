package orders

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// DefaultTopic is the topic of the bus where nothing else is said.
const DefaultTopic = "orders"

// Config is what an instance is told. Plain data.
type Config struct {
	Node string // the instance's name

	MySQL   []netip.AddrPort // servers; the first is the primary where there is no Manager
	Manager netip.AddrPort   // asked GET /primary; zero: nobody is
	Redis   netip.AddrPort   // zero: no cache
	Kafka   []string         // brokers, "IP:port"; empty: the bus is a table of the database
	Topic   string           // default DefaultTopic

	// NoIdempotency and NoOutbox leave a guard out; see the package.
	NoIdempotency bool
	NoOutbox      bool

	Slots  int           // requests worked on at once; default 64
	Cost   time.Duration // of a request, while it holds a slot; default 0
	Cold   int           // requests that cost ten times as much at first
	WarmUp bool          // they are made by the instance itself, before it is ready

	Fresh    time.Duration // of a cached value; default 1 s
	Stale    time.Duration // how long after that it may still be served; default 10 s
	NoGuards bool          // of the cache: no single-flight, no stale values, no jitter

	Say func(line string) // told in one line what changes; nil: nobody is
}

func (c Config) filled() Config {
	if c.Topic == "" {
		c.Topic = DefaultTopic
	}
	if c.Slots == 0 {
		c.Slots = 64
	}
	if c.Fresh == 0 {
		c.Fresh = time.Second
	}
	if c.Stale == 0 {
		c.Stale = 10 * time.Second
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	return c
}

// check refuses what cannot be meant.
func (c Config) check() error {
	var errs []error
	if len(c.MySQL) == 0 {
		errs = append(errs, errors.New("HADRILL_MYSQL: want at least one server"))
	}
	if c.Slots < 0 || c.Cold < 0 {
		errs = append(errs, errors.New("HADRILL_SLOTS, HADRILL_COLD: want none below zero"))
	}
	if c.WarmUp && c.Cold == 0 {
		errs = append(errs, errors.New("HADRILL_WARMUP: want HADRILL_COLD, without which there is nothing to warm up"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	return nil
}
