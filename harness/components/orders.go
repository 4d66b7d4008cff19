package components

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness/components/orders"
	discovery "github.com/hadrill/hadrill/harness/components/registry"
)

var (
	_ = register("orders", runOrders)
	_ = register("orders-consumer", runOrdersConsumer)
)

// runOrders is an instance of the order service; see package orders, whose
// Handlers lists the routes. Settings, beside those of every component:
//
//	HADRILL_MYSQL            servers, "IP:port,..."; the first is the primary where nobody manages them
//	HADRILL_MANAGER          who says which one is, "IP:port"
//	HADRILL_REDIS            cache, "IP:port"; missing: none
//	HADRILL_KAFKA            brokers, "IP:port,..."; missing: the bus is a table
//	HADRILL_TOPIC            of the bus
//	HADRILL_IDEMPOTENCY      "on"; "off": a repeated request is another order
//	HADRILL_OUTBOX           "on"; "off": messages wait in memory
//	HADRILL_SLOTS            requests worked on at once
//	HADRILL_COST             how long each takes
//	HADRILL_COLD             requests that take ten times as long at first
//	HADRILL_WARMUP           "off"; "on": the instance makes those itself before it is ready
//	HADRILL_FRESH            how long a cached value is fresh
//	HADRILL_STALE            how long after that it is still served
//	HADRILL_GUARDS           "on"; "off": the cache has no single-flight, stale values or jitter
//	HADRILL_REGISTRY, _REGISTRY_PREFIX, _LEASE, _SERVICE, _ADVERTISE
//	                         where it registers itself, see readEntry; none: it does not
//
// It registers when it is warm and ready, and takes itself out as the first
// thing when it is asked to end.
func runOrders(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	config := ordersConfig(s)
	config.NoOutbox = s.Choice("HADRILL_OUTBOX", "on", "off") == "off"
	config.NoIdempotency = s.Choice("HADRILL_IDEMPOTENCY", "on", "off") == "off"
	config.Slots = s.Number("HADRILL_SLOTS", 0)
	config.Cost = s.Duration("HADRILL_COST", 0)
	config.Cold = s.Number("HADRILL_COLD", 0)
	config.WarmUp = s.Choice("HADRILL_WARMUP", "off", "on") == "on"
	config.Redis = s.Address("HADRILL_REDIS")
	config.Fresh, config.Stale = s.Duration("HADRILL_FRESH", 0), s.Duration("HADRILL_STALE", 0)
	config.NoGuards = s.Choice("HADRILL_GUARDS", "on", "off") == "off"
	if config.WarmUp && config.Cold == 0 {
		s.fail("HADRILL_WARMUP", "on", "HADRILL_COLD as well, without which there is nothing to warm up")
	}
	place := readEntry(s)
	if err := s.Check(); err != nil {
		return err
	}
	service, err := orders.New(config)
	if err != nil {
		return err
	}
	warm := make(chan struct{})
	srv.prepared = func(ctx context.Context) error {
		select {
		case <-warm:
			return service.Ready(ctx)
		default:
			return errors.New("warming up")
		}
	}
	place.registry.Say = config.Say
	if place.addr == "" && len(place.registry.Endpoints) > 0 {
		if place.addr, err = discovery.LocalAddr(place.registry.Endpoints, srv.port); err != nil {
			return err
		}
	}
	for pattern, h := range service.Handlers() {
		srv.handle(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(NodeHeader, srv.node)
			h.ServeHTTP(w, r)
		})
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // the relay outlives the last request
	ran, left := make(chan error, 1), make(chan error, 1)
	go func() { ran <- service.Run(running) }()
	go func() {
		service.WarmUp(ctx)
		close(warm)
		left <- place.hold(ctx, srv, service.Ready)
	}()
	err = srv.serve(ctx)
	err = errors.Join(err, <-left)
	stop()
	return errors.Join(err, <-ran)
}

// runOrdersConsumer gives orders their effect; see package orders. Settings:
// HADRILL_MYSQL, HADRILL_MANAGER, HADRILL_KAFKA and HADRILL_TOPIC as the service.
func runOrdersConsumer(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	config := ordersConfig(s)
	if err := s.Check(); err != nil {
		return err
	}
	consumer, err := orders.NewConsumer(config)
	if err != nil {
		return err
	}
	srv.prepared = consumer.Ready
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- consumer.Run(consuming) }()
	err = srv.serve(ctx)
	stop()
	return errors.Join(err, <-ran)
}

// ordersConfig reads what service and consumer share.
func ordersConfig(s *Settings) orders.Config {
	c := orders.Config{
		MySQL: addresses(s, "HADRILL_MYSQL", s.Text("HADRILL_MYSQL", "")), Manager: s.Address("HADRILL_MANAGER"),
		Topic: s.Text("HADRILL_TOPIC", orders.DefaultTopic),
		Say:   func(line string) { fmt.Println(line) },
	}
	if text, ok := s.take("HADRILL_KAFKA"); ok {
		for _, b := range addresses(s, "HADRILL_KAFKA", text) {
			c.Kafka = append(c.Kafka, b.String())
		}
	}
	return c
}

// addresses reads "IP:port,IP:port".
func addresses(s *Settings, key, text string) (all []netip.AddrPort) {
	if text == "" {
		return nil // that it is missing was said
	}
	for word := range strings.SplitSeq(text, ",") {
		addr, err := netip.ParseAddrPort(word)
		if err != nil {
			s.fail(key, text, "IP:port,IP:port")
			return nil
		}
		all = append(all, addr)
	}
	return all
}

// hold registers once the instance is ready, and stays registered until ctx
// ends.
func (e entry) hold(ctx context.Context, srv *server, ready func(context.Context) error) error {
	if len(e.registry.Endpoints) == 0 {
		return nil
	}
	for ready(ctx) != nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
	return e.enlist(ctx, srv)
}
