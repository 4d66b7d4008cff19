// Package shop starts a small shop, whole: everything that stands between a
// customer's click and the effect that it has in the end.
//
//	customers ──▶ gateway ──▶ orders-1  orders-2 ──▶ MySQL ──▶ relay ──▶ bus ──▶ consumer-1 ──▶ MySQL
//	                 ▲            │  ╲  ╱   │      (orders, outbox)    Kafka, or        (effects)
//	                 │            │  cache  │                          a table
//	                 │            └────┬────┘
//	                 └──── watch ──── etcd ◀── registrations
//
// The order service is hadrill's own (package harness/components/orders), with
// a switch for each of its guards; everything else is real. A job of the load
// is an order; its effect is a row that the consumer writes. That an accepted
// order has its effect exactly once is the promise, whichever hop is killed,
// frozen or cut off meanwhile.
//
// Prices are read through a cache in Redis, where there is one, then from a
// replica of MySQL, then from its primary. A cache holds nothing that could not
// be read again, so it is neither replicated nor failed over: each zone has one
// of its own, its instances read past it when it is gone, and what the death of
// a zone takes with it is the dead instances' business alone. A cache that is
// shared between zones, with sentinels, would buy nothing for that: reads would
// go through the other zone every second time, and wait for an election when it
// dies. So reads go on while the database has no primary, for as long as what is
// cached may be served; the gateway therefore asks for them whether an instance
// lives, and for orders whether it can reach the database.
//
// A customer's client gives each request one idempotency key and repeats it,
// to whoever answers, until it has an answer or no patience left.
package shop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/registry"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/harness/kafka"
	"github.com/hadrill/hadrill/harness/mysql"
)

// Where things listen.
const (
	mysqlPort = 3306
	etcdPort  = 2379
	kafkaPort = 9092
	cachePort = 6379

	kafkaTopic = "drill" // the one topic of a kafka.Cluster

	serviceName = "orders"
	managerName = "manager"
)

// Shop is a declaration. The zero value of a field means what stands beside it.
type Shop struct {
	Instances int // of the order service; default 2
	Consumers int // default 1
	// Gateways stand before the instances, which register in etcd; 0: customers
	// go to the instances themselves.
	Gateways int
	// Balance is how a gateway chooses among instances; default least-loaded.
	Balance string
	// Patience is how long a gateway waits for an answer; default 2 s.
	Patience time.Duration

	// Caches are servers of Redis that prices are read from; instance i asks the
	// (i mod Caches)-th. 0: prices are read from the database.
	Caches int

	Replicas int  // of MySQL, semi-synchronous, with failover; 0: one server alone
	Kafka    bool // the bus is a topic of three brokers; else a table
	Brokers  kafka.Cluster

	// NoIdempotencyKey has customers repeat requests without saying that they do.
	NoIdempotencyKey bool
	// NoOutbox has the service keep messages in memory until they are published.
	NoOutbox bool

	Slots int           // requests that an instance works on at once; default 64
	Cost  time.Duration // how long each takes, after its effect
	Cold  int           // requests that take ten times as long at first
	// WarmUp has an instance make those itself before it is ready.
	WarmUp bool

	Drain     time.Duration // how long an instance that was asked to end goes on serving; default 500 ms
	EndAtOnce bool          // it ends at once instead, and takes itself out of nothing
	Lease     time.Duration // of registrations; default 2 s

	// Zones places instance, consumer, gateway, cache, broker, database server
	// and member of the registry i in Zones[i mod len]. Empty: one zone.
	Zones []string
	// Door is the reserved address, by its name, that customers go to: of a proxy
	// that others start before the gateways or instances. Empty: it is theirs.
	Door string
}

// Name implements harness.System.
func (Shop) Name() string { return "shop" }

var _ harness.System = Shop{}

func (s Shop) filled() Shop {
	if s.Instances == 0 {
		s.Instances = 2
	}
	if s.Consumers == 0 {
		s.Consumers = 1
	}
	if s.Drain == 0 {
		s.Drain = 500 * time.Millisecond
	}
	if s.Lease == 0 {
		s.Lease = registry.DefaultLease
	}
	if s.Balance == "" {
		s.Balance = gateway.LeastLoaded
	}
	if s.Patience == 0 {
		s.Patience = 2 * time.Second
	}
	return s
}

func (s Shop) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(s.Instances < 1 || s.Instances > 8, "Instances: want 1 to 8")
	refuse(s.Consumers < 1 || s.Consumers > 8, "Consumers: want 1 to 8")
	refuse(s.Replicas < 0 || s.Replicas > 4, "Replicas: want 0 to 4")
	refuse(s.Gateways < 0 || s.Gateways > 4, "Gateways: want 0 to 4")
	refuse(s.Caches < 0 || s.Caches > 4, "Caches: want 0 to 4")
	refuse(s.Patience < 0, "Patience: want none below zero")
	refuse(s.Slots < 0 || s.Cold < 0 || s.Cost < 0 || s.Drain < 0, "numbers and durations: want none below zero")
	refuse(s.WarmUp && s.Cold == 0, "WarmUp: want Cold, without which there is nothing to warm up")
	refuse(s.Lease%time.Second != 0, "Lease: want whole seconds")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("shop.Shop: %w", err)
	}
	return nil
}

// database is what stores orders.
func (s Shop) database() harness.System {
	if s.Replicas == 0 {
		return mysql.Single{}
	}
	return mysql.SemiSync{Replicas: s.Replicas, Acks: 1, Zones: s.Zones}
}

// registry is where instances are found. In several zones it has a member in
// each of three, so that it outlives any of them.
func (s Shop) registry() etcd.Cluster {
	if len(s.Zones) == 0 {
		return etcd.Cluster{Members: 1}
	}
	return etcd.Cluster{Members: 3, Zones: s.Zones}
}

// placed puts a node in its zone.
func (s Shop) placed(i int, spec harness.NodeSpec) harness.NodeSpec {
	if len(s.Zones) > 0 {
		spec.Zone = s.Zones[i%len(s.Zones)]
	}
	return spec
}

// stores are the systems that the shop is built on, by name.
func (s Shop) stores() map[string]harness.System {
	all := map[string]harness.System{"database": s.database()}
	if s.Gateways > 0 {
		all["registry"] = s.registry()
	}
	if s.Kafka {
		s.Brokers.Zones = s.Zones
		all["bus"] = s.Brokers
	}
	if s.Caches > 0 {
		all["cache"] = caches{s}
	}
	return all
}

// Start implements harness.System: the stores side by side, then the tables,
// then the services.
func (s Shop) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	s = s.filled()
	if err := s.check(); err != nil {
		return nil, err
	}
	r := &Running{declared: s, env: env}
	stores := s.stores()
	running := make(chan harness.Running, len(stores))
	group, starting := errgroup.WithContext(ctx)
	for name, system := range stores {
		group.Go(func() error {
			started, err := system.Start(starting, env)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			running <- started
			return settle(starting, started)
		})
	}
	err := group.Wait()
	close(running)
	for started := range running {
		r.stores = append(r.stores, started)
	}
	if err == nil {
		err = makeTables(ctx, env)
	}
	if err == nil {
		err = r.open(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.Stop(ctx))
	}
	return r, nil
}

// settle waits until a store is steady, if it can tell.
func settle(ctx context.Context, r harness.Running) error {
	if settler, ok := r.(harness.Settler); ok {
		return settler.Settle(ctx)
	}
	return nil
}
