// Package shop starts a small shop, whole: everything that stands between a
// customer's click and the effect that it has in the end.
//
//	customers ──▶ gateway ──▶ orders-1  orders-2 ──▶ MySQL ──▶ relay ──▶ bus ──▶ consumer-1 ──▶ MySQL
//	                 ▲            │         │      (orders, outbox)    Kafka, or        (effects)
//	                 │            └────┬────┘                          a table
//	                 └──── watch ──── etcd ◀── registrations
//
// The order service is hadrill's own (package harness/components/orders), with
// a switch for each of its guards; everything else is real. A job of the load
// is an order; its effect is a row that the consumer writes. That an accepted
// order has its effect exactly once is the promise, whichever hop is killed,
// frozen or cut off meanwhile.
//
// A customer's client gives each request one idempotency key and repeats it,
// to whoever answers, until it has an answer or no patience left.
package shop

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
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

	kafkaTopic = "drill" // the one topic of a kafka.Cluster

	serviceName = "orders"
	gatewayName = "gateway"
	etcdName    = "etcd-1"
	managerName = "manager"
)

// Shop is a declaration. The zero value of a field means what stands beside it.
type Shop struct {
	Instances int  // of the order service; default 2
	Consumers int  // default 1
	Gateway   bool // before the instances, which register in etcd; else customers go to the instances themselves
	// Balance is how the gateway chooses among instances; default least-loaded.
	Balance string

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

	// Zones places instance, consumer and database server i in Zones[i mod len].
	// Empty: one zone.
	Zones []string
	// Door is the reserved address, by its name, that customers go to: of a proxy
	// that others start before the instances. Empty: the gateway's, or theirs.
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
	if s.Gateway {
		all["registry"] = etcd.Cluster{Members: 1}
	}
	if s.Kafka {
		all["bus"] = s.Brokers
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

func at(env *harness.Env, name string, port uint16) string {
	return netip.AddrPortFrom(env.Reserve(name), port).String()
}

// several are the addresses of nodes that are numbered from 1.
func several(env *harness.Env, prefix string, n int, port uint16) string {
	all := make([]string, n)
	for i := range all {
		all[i] = at(env, prefix+strconv.Itoa(i+1), port)
	}
	return strings.Join(all, ",")
}

// shared are the settings of services and consumers.
func (s Shop) shared(env *harness.Env) map[string]string {
	settings := map[string]string{"HADRILL_MYSQL": several(env, "mysql-", s.Replicas+1, mysqlPort)}
	if s.Replicas > 0 {
		settings["HADRILL_MANAGER"] = at(env, managerName, components.DefaultPort)
	}
	if s.Kafka {
		settings["HADRILL_KAFKA"] = several(env, "kafka-", 3, kafkaPort)
		settings["HADRILL_TOPIC"] = kafkaTopic
	}
	return settings
}

// service are the settings of an instance.
func (s Shop) service(env *harness.Env) map[string]string {
	settings := s.shared(env)
	onOff := map[bool]string{true: "on", false: "off"}
	settings["HADRILL_IDEMPOTENCY"] = onOff[!s.NoIdempotencyKey]
	settings["HADRILL_OUTBOX"] = onOff[!s.NoOutbox]
	settings["HADRILL_COST"] = s.Cost.String()
	settings["HADRILL_COLD"] = strconv.Itoa(s.Cold)
	settings["HADRILL_WARMUP"] = onOff[s.WarmUp]
	settings["HADRILL_DRAIN"] = s.Drain.String()
	if s.Slots > 0 {
		settings["HADRILL_SLOTS"] = strconv.Itoa(s.Slots)
	}
	if s.EndAtOnce {
		settings["HADRILL_END"] = "at-once"
	}
	if s.Gateway {
		settings["HADRILL_REGISTRY"] = at(env, etcdName, etcdPort)
		settings["HADRILL_LEASE"] = s.Lease.String()
		settings["HADRILL_SERVICE"] = serviceName
	}
	return settings
}

// routes are the gateway's: one, to the order service, with passive and active
// checks, so that the registry's lease is not the only word on who is dead.
func (s Shop) routes() (string, error) {
	return gateway.FormatRoutes([]gateway.Route{{
		Name: serviceName, Service: serviceName, Balance: s.Balance,
		Timeout: gateway.Duration(2 * time.Second),
		Health:  &gateway.Health{}, Outlier: &gateway.Outlier{},
	}})
}

func (s Shop) instance(i int) string { return "orders-" + strconv.Itoa(i+1) }

// specs are the nodes that are hadrill's own.
func (s Shop) specs(env *harness.Env) ([]harness.NodeSpec, error) {
	var specs []harness.NodeSpec
	for i := range s.Instances {
		name := s.instance(i)
		specs = append(specs, s.placed(i, components.Spec(env, "orders", name, s.service(env))))
	}
	for i := range s.Consumers {
		specs = append(specs, s.placed(i, components.Spec(env, "orders-consumer", "consumer-"+strconv.Itoa(i+1), s.shared(env))))
	}
	if s.Gateway {
		routes, err := s.routes()
		if err != nil {
			return nil, err
		}
		specs = append(specs, components.GatewaySpec(env, gatewayName, map[string]string{
			"HADRILL_ROUTES": routes, "HADRILL_REGISTRY": at(env, etcdName, etcdPort),
		}))
	}
	return specs, nil
}
