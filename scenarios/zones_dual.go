package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql"
	"github.com/hadrill/hadrill/harness/shop"
	"github.com/hadrill/hadrill/harness/vip"
	"github.com/hadrill/hadrill/harness/zones"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// zonesDual is row zones/dual-active: two zones serve side by side, a third one
// votes. A zone may die, be cut off or fall half silent; the other must go on
// serving everything, nothing acknowledged may be lost, and nobody may write in
// two places. The public asks at the shared address; each zone has clients that
// write to the database wherever it is.
func zonesDual() []runner.Scenario {
	system := zones.Dual{
		Entry: vip.Pair{
			Proxy: vip.Nginx, CheckInterval: 200 * time.Millisecond, Arbiter: true, Zones: zones.All(),
			BackendLatency: 50 * time.Millisecond, BackendLimit: 24,
		},
		Data: mysql.SemiSync{Replicas: 2, Acks: 1, Zones: zones.All()},
	}
	public := load.HTTP{Rate: 120, Path: "/"}
	writers := func(zone string) load.Sets {
		return load.Sets{Rate: 60, Sets: 16, Clients: 8, Timeout: time.Second, Zone: zone}
	}
	safe := runner.Scenario{
		Row:        "zones/dual-active",
		Profile:    runner.Nightly,
		System:     system,
		Clients:    []string{zones.A, zones.B},
		Load:       load.Combine(public, writers(zones.A), writers(zones.B)),
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
		Duration:   14 * time.Second,
	}
	answered := func(target, limit time.Duration) record.Objective {
		return record.Objective{Name: "outage@http/fresh", Kind: record.KindAvailability, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
	}
	zoneA := harness.InZone(zones.A)

	null := safe
	null.Name = "zones/dual-active/null"
	null.Doc = "No fault: both zones serve, every write is acknowledged and read back."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.999), runner.NoLostWrites(), runner.NoFindings(check.SingleOwner)}

	// Light needs 15 ms for the way there and back over 1500 km of fibre; this
	// is 30 ms between the zones, and half of it to the witness.
	far := null
	far.Name = "zones/dual-active/far"
	far.Doc = "The zones are 30 ms apart: a commit costs one way there and back, and nothing else changes."
	far.Duration = 8 * time.Second
	for _, zone := range []string{zones.A, zones.B} {
		in := harness.InZone(zone)
		far.Faults = append(far.Faults,
			faults.At(time.Second, faults.Delay(faults.Link{To: in, From: faults.Side{Nodes: harness.Except(in)}}, 7500*time.Microsecond)),
			faults.At(time.Second, faults.Delay(faults.Link{To: harness.Except(in), From: faults.Side{Nodes: in}}, 7500*time.Microsecond)),
		)
	}
	far.Promises = runner.Promises{
		runner.Availability(1, 0.99), runner.RTO(250*time.Millisecond, time.Second),
		runner.NoLostWrites(), runner.NoFindings(check.SingleOwner),
	}

	kill := safe
	kill.Name = "zones/dual-active/zone-kill"
	kill.Profile = runner.Quick
	kill.Doc = "Everything in one zone dies at once, the owner of the database with it: the other zone serves all, and the witness's copy makes sure that it knows every acknowledged write."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(zoneA))}
	kill.Promises = runner.Promises{
		runner.RTO(4*time.Second, 8*time.Second),
		answered(time.Second, 2500*time.Millisecond),
		runner.NoLostWrites(),
		runner.NoFindings(check.SingleOwner),
	}

	noRoom := twin(kill, "zone-kill-no-spare-capacity",
		"Twin: each zone can carry just over half of the load. Both together look well; one alone turns requests away for good.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			tight := system
			tight.Entry.BackendLimit = 5 // of 50 ms each: 100 requests a second, and 120 come
			s.System = tight
		})

	inside := twin(kill, "zone-kill-majority-inside",
		"Twin: two of three copies are in one zone, the witness has none. When that zone dies the last copy cannot know whether it has every acknowledged write, and nobody may be promoted.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			lopsided := system
			lopsided.Data.Zones = []string{zones.A, zones.A, zones.B}
			s.System = lopsided
		})
	inside.Profile = runner.Quick

	comeback := kill
	comeback.Profile = runner.Nightly
	comeback.Name = "zones/dual-active/zone-kill-return"
	comeback.Doc = "A zone dies and comes back under load: it follows, takes its share of requests, and moves nothing."
	comeback.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(zoneA)).Lasting(8 * time.Second)}
	comeback.Duration = 24 * time.Second

	cut := safe
	cut.Name = "zones/dual-active/zone-cut"
	cut.Doc = "A zone and its clients are cut off from everything else, and come back: its database acknowledges nothing any more, its entry gives the address up, and healed it follows."
	cut.Load = load.Combine(public, writers(zones.B), load.CutOff(writers(zones.A)))
	cut.Faults = faults.Schedule{faults.At(2*time.Second, faults.Partition{
		Left:  faults.Side{Nodes: zoneA, Clients: []string{zones.A}},
		Right: faults.Side{Nodes: harness.Except(zoneA), Clients: []string{zones.B}},
	}).Lasting(8 * time.Second)}
	cut.Duration = 18 * time.Second
	cut.Promises = runner.Promises{
		runner.RTO(5*time.Second, 8*time.Second),
		answered(time.Second, 2500*time.Millisecond),
		runner.NoLostWrites(),
	}

	twoWriters := twin(cut, "zone-cut-two-writers",
		"Twin: commits wait for no other zone. The cut-off zone goes on acknowledging what its clients write while the other has a writable database of its own, and all of it is discarded when the zones meet again.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			hasty := system
			hasty.Data.Acks = 0
			s.System = hasty
		})

	oneWay := safe
	oneWay.Name = "zones/dual-active/zone-one-way"
	oneWay.Doc = "Nothing of what a zone sends to the others arrives, while it hears them: it is as good as gone, and knows less of it than anybody."
	oneWay.Faults = faults.Schedule{faults.At(2*time.Second, faults.OneWay{From: faults.Side{Nodes: zoneA}, To: faults.Side{Nodes: harness.Except(zoneA)}}).Lasting(8 * time.Second)}
	oneWay.Duration = 18 * time.Second
	oneWay.Promises = cut.Promises

	return append([]runner.Scenario{null, far, kill, noRoom, inside, comeback, cut, twoWriters, oneWay}, append(zonesOrders(), zonesWhole()...)...)
}

// zonesOrders are the drills of the same row with a whole shop in the two
// zones: orders that come in at the shared address, go through nginx, an order
// service and the database, and have an effect in the end. Customers repeat an
// order under its key until it is answered.
func zonesOrders() []runner.Scenario {
	system := zones.Whole{
		Entry: vip.Pair{
			Proxy: vip.Nginx, CheckInterval: 200 * time.Millisecond, Arbiter: true, Zones: zones.All(),
			PassOn:      time.Second, // the service gives up, and says so, before nginx does
			FailTimeout: time.Second, // a service whose database fails over is not dead
		},
		Shop: shop.Shop{Instances: 2, Consumers: 2, Replicas: 2, Zones: zones.All()},
	}
	zoneA := harness.InZone(zones.A)
	safe := runner.Scenario{
		Row:        "zones/dual-active",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.Jobs{Rate: 60, Clients: 48, Timeout: 2 * time.Second},
		SLO:        record.SLO{Latency: time.Second, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 500 * time.Millisecond,
	}

	null := safe
	null.Name = "zones/dual-active/orders-null"
	null.Doc = "No fault: every order that is accepted has its effect once."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.NoFindings(check.ExactlyOnce), runner.Availability(1, 0.99), runner.NoFindings(check.SingleOwner)}

	kill := safe
	kill.Name = "zones/dual-active/orders-zone-kill"
	kill.Doc = "A zone dies with its entry, its instance of the service, its consumer and the owner of the database: orders are taken again within seconds, and every accepted one has its effect once."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(zoneA)).Lasting(8 * time.Second)}
	kill.Duration = 20 * time.Second
	kill.Promises = runner.Promises{
		runner.NoFindings(check.ExactlyOnce),
		runner.RTO(5*time.Second, 8*time.Second),
		runner.NoFindings(check.SingleOwner),
	}

	cut := kill
	cut.Name = "zones/dual-active/orders-zone-cut"
	cut.Doc = "A zone is cut off from the others and comes back: what it had under way is repeated elsewhere, and nothing is done twice."
	cut.Faults = faults.Schedule{faults.At(2*time.Second, faults.Partition{
		Left: faults.Side{Nodes: zoneA}, Right: faults.Side{Nodes: harness.Except(zoneA)},
	}).Lasting(8 * time.Second)}

	sulking := twin(cut, "orders-zone-cut-long-fail-timeout",
		"Twin: nginx' default fail_timeout of 10 s. While the database fails over, the healthy zone's service cannot answer either, and nginx takes it for dead: three seconds without a database become ten without a service.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			long := system
			long.Entry.FailTimeout = 10 * time.Second
			s.System = long
		})

	return []runner.Scenario{null, kill, cut, sulking}
}
