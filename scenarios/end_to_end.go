package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/kafka"
	"github.com/hadrill/hadrill/harness/shop"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// endToEnd is row e2e/orders: an order goes from the customer through the order
// service, MySQL, the outbox and the bus to the consumer, and takes effect
// there. Whichever hop is killed, frozen or cut off meanwhile: every order that
// was accepted has its effect, and none has two.
//
// The short drills need neither gateway nor Kafka to show what the guards are
// for: customers ask the instances, and the bus is a table. The long ones have
// the whole chain and take each hop in its turn.
//
// Two guards make it so, and each twin leaves out one. Without an idempotency
// key a repeated request is a second order. Without an outbox a message lives
// in the memory of the process that is killed.
func endToEnd() []runner.Scenario {
	system := shop.Shop{Cost: 120 * time.Millisecond}
	safe := runner.Scenario{
		Row:        "e2e/orders",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.Jobs{Rate: 120, Clients: 64, Timeout: 3 * time.Second},
		SLO:        record.SLO{Latency: 2500 * time.Millisecond, Success: 0.99, Stable: 2 * time.Second},
		Resolution: 500 * time.Millisecond,
		Promises:   runner.Promises{runner.NoFindings(check.ExactlyOnce), runner.Availability(0.999, 0.95)},
	}
	const at, lasts = 2 * time.Second, 2 * time.Second

	null := safe
	null.Name = "e2e/orders/null"
	null.Doc = "No fault: every order has its effect once."
	null.Duration = 4 * time.Second

	kill := safe
	kill.Name = "e2e/orders/service-kill"
	kill.Doc = "An instance of the order service is killed with orders under way: customers ask the other one, under the same key, and every order has its effect once."
	kill.Profile = runner.Quick
	kill.Faults = faults.Schedule{faults.At(at, faults.Kill(harness.Named("orders-1"))).Lasting(lasts)}
	kill.Duration = 7 * time.Second

	careless := twin(kill, "service-kill-no-idempotency-key",
		"Twin: customers repeat a request without a key. An order that was stored and not answered is stored again.",
		runner.FailsOn("check."+check.ExactlyOnce),
		func(s *runner.Scenario) {
			anonymous := system
			anonymous.NoIdempotencyKey = true
			s.System = anonymous
		})

	forgetful := twin(kill, "service-kill-no-outbox",
		"Twin: the service keeps messages in memory until they are published. Those of the killed instance are gone, with their orders stored and acknowledged.",
		runner.FailsOn("check."+check.ExactlyOnce),
		func(s *runner.Scenario) {
			memory := system
			memory.NoOutbox = true
			s.System = memory
		})
	forgetful.Profile = runner.Nightly

	all := []runner.Scenario{null, kill, careless, forgetful}
	for _, v := range everyHop {
		all = append(all, v.scenario(safe))
	}
	return all
}

// hops are the places that an order passes, the gateway first.
var hops = []string{"gateway-1", "orders-1", "cache-1", "mysql-1", "kafka-1", "consumer-1"}

// misfortune is what befalls every hop in its turn.
type misfortune struct {
	name, doc string
	fault     func(harness.Selector) faults.Fault
}

var everyHop = []misfortune{
	{"kill", "is killed and started again", faults.Kill},
	{"pause", "freezes for two seconds and does not know it", faults.Pause},
	{"cut", "is cut off from everybody for two seconds", func(aim harness.Selector) faults.Fault { return faults.Isolate(aim, "") }},
}

// scenario puts the whole chain under load and does it to one hop after the
// other. The gateway is alone, so its absence is an outage; so is the time that
// MySQL's replicas take to agree on a successor. Customers who order are patient;
// those who read a price are not, and are served from the cache or past it.
func (m misfortune) scenario(safe runner.Scenario) runner.Scenario {
	const turn, lasts = 8 * time.Second, 2 * time.Second
	s := safe
	s.Name = "e2e/orders/every-hop-" + m.name
	s.Doc = "Gateway, service, cache, MySQL's source, a broker of Kafka and the consumer: each in its turn " + m.doc + ", every order has its effect once, and prices are read."
	s.System = shop.Shop{
		Gateways: 1, Caches: 1, Replicas: 2, Kafka: true, Cost: 20 * time.Millisecond,
		Brokers: kafka.Cluster{MinInSync: 2, SessionTimeout: 3 * time.Second, Heartbeat: 500 * time.Millisecond},
	}
	s.Load = load.Combine(
		load.Jobs{Rate: 25, Clients: 200, Timeout: 6 * time.Second},
		load.HTTP{Name: "prices", Rate: 25, Path: "/items?id=7"},
	)
	s.SLO = record.SLO{Latency: 6 * time.Second, Success: 0.95, Stable: 2 * time.Second}
	s.Faults = nil
	for i, hop := range hops {
		s.Faults = append(s.Faults, faults.At(2*time.Second+time.Duration(i)*turn, m.fault(harness.Named(hop))).Lasting(lasts))
	}
	s.Duration = time.Duration(len(hops)) * turn
	s.Promises = runner.Promises{runner.NoFindings(check.ExactlyOnce), runner.Availability(0.95, 0.9)}
	return s
}
