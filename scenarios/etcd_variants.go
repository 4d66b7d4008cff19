package scenarios

import (
	"slices"
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// etcdVariants are the scenarios of row coordination/etcd in which nothing dies
// for good: upkeep, a long way, a bad wire, a wrong clock. Whatever happens,
// registers and locks stay linearizable.
func etcdVariants(safe runner.Scenario, always runner.Promises) []runner.Scenario {
	rolling := safe
	rolling.Name = "coordination/etcd/rolling-restart"
	rolling.Doc = "Every member is restarted, one after the other: a majority is always there, and one of the restarts is a change of leader."
	rolling.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Restart(harness.Named("etcd-1"))),
		// The limit and a stable window after the last.
		faults.At(9*time.Second, faults.Restart(harness.Named("etcd-2"))),
		faults.At(16*time.Second, faults.Restart(harness.Named("etcd-3"))),
	}
	rolling.Duration = 24 * time.Second
	rolling.Promises = also(always, runner.RTO(2*time.Second, 4*time.Second))

	// Operations take longer, so it takes more clients to send as many.
	patient := load.Combine(
		load.Registers{Rate: 100, Keys: 10, CompareAndSet: 0.2, Clients: 40, Timeout: time.Second},
		load.Locks{Rate: 20, Locks: 4, Clients: 12},
	)
	far := safe
	far.Load = patient
	far.Name = "coordination/etcd/latency"
	far.Doc = "The leader is 50 ms away from its followers: every write and every linearizable read waits for the way there and back, and the leader keeps its place."
	far.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Delay(faults.Link{To: harness.Replica, From: faults.Side{Nodes: harness.Primary}}, 25*time.Millisecond)).Lasting(6 * time.Second),
		faults.At(2*time.Second, faults.Delay(faults.Link{To: harness.Primary, From: faults.Side{Nodes: harness.Replica}}, 25*time.Millisecond)).Lasting(6 * time.Second),
	}
	far.Duration = 12 * time.Second
	far.Promises = also(always, runner.Availability(1, 0.99), runner.LatencyP99(200*time.Millisecond, 450*time.Millisecond))

	loss := safe
	loss.Load = patient
	loss.Name = "coordination/etcd/packet-loss"
	loss.Doc = "One packet in twenty to the leader is lost, of clients and of followers: operations are late, and still linearizable."
	loss.Faults = faults.Schedule{faults.At(2*time.Second, faults.Loss(faults.Link{To: harness.Primary}, 0.05)).Lasting(6 * time.Second)}
	loss.Duration = 12 * time.Second
	loss.Promises = also(always, runner.Availability(0.97, 0.9))

	clock := safe
	clock.Name = "coordination/etcd/clock-jump"
	clock.Doc = "The leader's wall clock jumps an hour ahead, and back when it is corrected: elections and leases count monotonic time, and nobody notices."
	clock.Faults = faults.Schedule{faults.At(2*time.Second, faults.ClockJump(harness.Primary, time.Hour)).Lasting(4 * time.Second)}
	clock.Duration = 10 * time.Second
	clock.Promises = also(always, runner.Availability(1, 0.99))

	// A whole site loses power. What etcd acknowledged a majority has synced.
	power := safe
	power.Name = "coordination/etcd/all-power-cut"
	power.Doc = "All members lose power at once, and with it what was not synced; a second later they boot. Every acknowledged write is there, since a majority had synced each before its answer."
	kept := safe.System.(etcd.Cluster)
	kept.Disks = true
	power.System = kept
	power.Load = load.Registers{Rate: 200, Keys: 10, CompareAndSet: 0.2, Clients: 12, Timeout: time.Second}
	power.Faults = faults.Schedule{faults.At(3*time.Second, faults.PowerCut(harness.Named("etcd-1", "etcd-2", "etcd-3"), "")).Lasting(time.Second)}
	power.Duration = 14 * time.Second
	power.Promises = runner.Promises{runner.NoFindings(check.LinearizableRegister), runner.RTO(5*time.Second, 9*time.Second)}

	noSync := twin(power, "all-power-cut-no-sync",
		"Twin: --unsafe-no-fsync. Members acknowledge what only their memory has: after the power cut they come back without it, and do not serve again.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			quick := kept
			quick.NoSync = true
			s.System = quick
		})

	return append([]runner.Scenario{rolling, far, loss, clock, power, noSync}, etcdDisks(safe, kept, always)...)
}

// also is what holds always, and more.
func also(always runner.Promises, more ...record.Objective) runner.Promises {
	return append(slices.Clone(always), more...)
}
