package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
)

// etcdDisks are the scenarios of row coordination/etcd in which a member's disk
// is slow, hangs or is full. etcd syncs before it answers, so its disk is part
// of every write; a majority of sound disks must be enough.
func etcdDisks(safe runner.Scenario, plain etcd.Cluster, always runner.Promises) []runner.Scenario {
	onDisks := plain
	onDisks.Interposed = true
	safe.System = onDisks
	safe.Load = load.Combine(
		load.Registers{Rate: 100, Keys: 10, CompareAndSet: 0.2, Clients: 40, Timeout: time.Second},
		load.Locks{Rate: 20, Locks: 4, Clients: 12},
	)
	slow := safe
	slow.Name = "coordination/etcd/leader-disk-slow"
	slow.Doc = "Every sync of the leader's disk takes 20 ms longer: writes are late by one or two of them, and the leader keeps its place, since it is never silent for an election time-out."
	slow.Faults = faults.Schedule{faults.At(2*time.Second, faults.DiskSlow(harness.Primary, "", 20*time.Millisecond, disk.Sync)).Lasting(6 * time.Second)}
	slow.Duration = 12 * time.Second
	slow.Promises = also(always, runner.Availability(1, 0.99), runner.LatencyP99(200*time.Millisecond, 450*time.Millisecond))

	hung := safe
	hung.Name = "coordination/etcd/leader-disk-hang"
	hung.Doc = "The leader's disk hangs: it can write nothing and so says nothing, another is elected, and when the disk goes on the old leader follows."
	hung.Faults = faults.Schedule{faults.At(2*time.Second, faults.DiskHang(harness.Primary, "")).Lasting(7 * time.Second)}
	hung.Duration = 14 * time.Second
	hung.Promises = also(always, runner.RTO(2*time.Second, 4*time.Second))

	// Clients of the member that hangs lose a deadline, some of them two.
	follower := hung
	follower.Name = "coordination/etcd/follower-disk-hang"
	follower.Doc = "A follower's disk hangs: the other two are a majority and wait for nobody; its own clients lose a deadline and go elsewhere."
	follower.Faults = faults.Schedule{faults.At(2*time.Second, faults.DiskHang(harness.Random(1, harness.Replica), "")).Lasting(7 * time.Second)}
	two := twin(follower, "follower-disk-hang-two-members",
		"Twin: two members. A majority of two is two, so every write waits for the disk that hangs: a second member without a third makes two machines without which nothing goes.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			pair := onDisks
			pair.Members = 2
			s.System = pair
		})

	full := safe
	full.System = plain
	full.Name = "coordination/etcd/leader-disk-full"
	full.Doc = "The leader's disk is full: it cannot commit and ends itself rather than go on without, another is elected, and nothing that was acknowledged is lost."
	full.Faults = faults.Schedule{faults.At(2*time.Second, faults.DiskFull(harness.Primary, "", 0)).Lasting(7 * time.Second)}
	full.Duration = 14 * time.Second
	full.Promises = also(always, runner.RTO(2*time.Second, 4*time.Second))

	return []runner.Scenario{slow, hung, follower, two, full}
}
