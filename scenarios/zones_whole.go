package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/kafka"
	"github.com/hadrill/hadrill/harness/shop"
	"github.com/hadrill/hadrill/harness/vip"
	"github.com/hadrill/hadrill/harness/zones"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// zonesWhole are the drills of row zones/dual-active with everything that a
// shop has: nginx at the shared address, a gateway, an instance of the service
// and a cache in each zone, MySQL, Kafka and the registry over all three.
//
// What reads and what writes is judged apart. An order waits for a database
// that has a primary, so for the time that a failover takes; a price is read
// from the surviving zone's cache, and waits for the shared address alone.
func zonesWhole() []runner.Scenario {
	system := zones.Whole{
		Entry: vip.Pair{
			Proxy: vip.Nginx, CheckInterval: 200 * time.Millisecond, Arbiter: true, Zones: zones.All(),
			Term:        400 * time.Millisecond, // readers wait for nothing but the lease and three adverts
			PassOn:      time.Second,
			FailTimeout: time.Second,
		},
		Shop: shop.Shop{
			Instances: 2, Consumers: 2, Gateways: 2, Caches: 2, Replicas: 2, Kafka: true,
			Patience: 800 * time.Millisecond, // a gateway says that it gives up before nginx does
			Slots:    256,                    // orders that wait for the database leave room for readers
			Brokers:  kafka.Cluster{MinInSync: 2, SessionTimeout: 3 * time.Second, Heartbeat: 500 * time.Millisecond},
			Zones:    zones.All(),
		},
	}
	zoneA := harness.InZone(zones.A)
	readable := func(target, limit time.Duration) record.Objective {
		return record.Objective{Name: "outage@prices/fresh", Kind: record.KindAvailability, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
	}
	safe := runner.Scenario{
		Row:     "zones/dual-active",
		Profile: runner.Nightly,
		System:  system,
		Load: load.Combine(
			load.Jobs{Rate: 40, Clients: 64, Timeout: 3 * time.Second},
			load.HTTP{Name: "prices", Rate: 80, Path: "/items?id=7", Timeout: 500 * time.Millisecond},
		),
		SLO:        record.SLO{Latency: time.Second, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 500 * time.Millisecond,
		Weight:     runner.Exclusive, // 21 nodes, three of them Java, before the load
	}

	null := safe
	null.Name = "zones/dual-active/whole-null"
	null.Doc = "No fault: every order that is accepted has its effect once, every price is read, and one entry owns the address."
	null.Duration = 6 * time.Second
	null.Promises = runner.Promises{
		runner.NoFindings(check.ExactlyOnce), runner.NoLostWrites(), runner.Availability(1, 0.99), runner.NoFindings(check.SingleOwner),
	}

	kill := safe
	kill.Name = "zones/dual-active/whole-zone-kill"
	kill.Doc = "A zone dies with its entry, gateway, instance, cache and consumer and its members of MySQL, Kafka and the registry: prices are read again as soon as the address has moved, orders are taken once the database has a primary, and every accepted one has its effect once."
	kill.Faults = faults.Schedule{faults.At(3*time.Second, faults.Kill(zoneA))}
	kill.Duration = 18 * time.Second
	kill.Promises = runner.Promises{
		runner.NoFindings(check.ExactlyOnce),
		runner.NoLostWrites(),
		runner.RTO(5*time.Second, 8*time.Second),
		readable(800*time.Millisecond, time.Second),
		runner.NoFindings(check.SingleOwner),
	}

	inside := twin(kill, "whole-zone-kill-witness-inside",
		"Twin: what should be in the witness zone is in one of the two that serve, and that one dies. Two of three members of MySQL, Kafka and the registry go with it: prices are still read, and no order is taken, because the last copy cannot know whether it has every one.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			lopsided := system
			lopsided.Shop.Zones = []string{zones.A, zones.B, zones.A}
			s.System = lopsided
		})

	back := kill
	back.Name = "zones/dual-active/whole-zone-return"
	back.Doc = "A zone dies and comes back under load: its members follow and take their share, and the address and the database's primary stay where they are."
	back.Faults = faults.Schedule{faults.At(3*time.Second, faults.Kill(zoneA)).Lasting(10 * time.Second)}
	back.Duration = 32 * time.Second

	cut := kill
	cut.Name = "zones/dual-active/whole-zone-cut"
	cut.Doc = "A zone is cut off from the others and comes back: what it had under way is repeated elsewhere, its database and its broker acknowledge nothing any more, and nothing is done twice."
	cut.Faults = faults.Schedule{faults.At(3*time.Second, faults.Partition{
		Left: faults.Side{Nodes: zoneA}, Right: faults.Side{Nodes: harness.Except(zoneA)},
	}).Lasting(10 * time.Second)}
	cut.Duration = 28 * time.Second

	return []runner.Scenario{null, kill, inside, back, cut}
}
