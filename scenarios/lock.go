package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/harness/lockset"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// lock is row coordination/lock: workers that change a shared set under a lock
// with a lease in etcd. The holder dies, or freezes for longer than its lease
// and comes back in the middle of a change: no acknowledged element may be
// lost, and another must take over soon after the lease has run out.
func lock() []runner.Scenario {
	const lease = 2 * time.Second
	fenced := lockset.System{Workers: 3, Lease: lease, Work: 100 * time.Millisecond, Fencing: true, Etcd: etcd.Cluster{Members: 3}}
	safe := runner.Scenario{
		Row:     "coordination/lock",
		Profile: runner.Nightly,
		System:  fenced,
		// A change takes 100 ms and a little more. Each of the eight sets has one
		// every 333 ms, so at any moment two or three are between their read and
		// their write, and each set is at rest for two thirds of the time.
		Load:       load.Sets{Rate: 24, Sets: 8, Clients: 16, Timeout: time.Second},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.95, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
	}

	null := safe
	null.Name = "coordination/lock/null"
	null.Doc = "No fault: every change is made under the lock and kept."
	null.Duration = 5 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.99), runner.NoLostWrites()}

	promises := runner.Promises{runner.NoLostWrites(), runner.RTO(lease+2*time.Second, lease+4*time.Second)}

	kill := safe
	kill.Name = "coordination/lock/holder-kill"
	kill.Doc = "The holder is killed: its lease runs out, another takes the lock, and no acknowledged change is lost."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Duration = 10 * time.Second
	kill.Promises = promises

	pause := kill
	pause.Name = "coordination/lock/holder-pause"
	pause.Doc = "The holder freezes past its lease, in the middle of a change, and thaws when another holds the lock: its late write is fenced off."
	// No multiple of the 333 ms: the sets that were being changed at the freeze
	// must be at rest at the thaw. Were the successor in the middle of changing
	// them, it would write them back whole over the late write and hide it.
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Primary)).Lasting(6150 * time.Millisecond)}
	pause.Duration = 13 * time.Second

	unfenced := twin(pause, "holder-pause-unfenced",
		"Twin: no fencing token goes with the write. The thawed holder writes the set as it was before it froze, and what its successor acknowledged is gone.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			open := fenced
			open.Fencing = false
			s.System = open
		})

	clock := safe
	clock.Name = "coordination/lock/holder-clock-jump"
	clock.Doc = "The holder's wall clock jumps an hour ahead, then that of all of etcd: leases are counted in monotonic time at both ends, so the holder keeps the lock and nothing is lost."
	clock.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.ClockJump(harness.Primary, time.Hour)),
		faults.At(4*time.Second, faults.ClockJump(harness.Named("etcd-1", "etcd-2", "etcd-3"), time.Hour)),
	}
	clock.Duration = 8 * time.Second
	clock.Promises = runner.Promises{runner.Availability(1, 0.99), runner.NoLostWrites()}

	waiter := kill
	waiter.Name = "coordination/lock/waiter-kill"
	waiter.Doc = "A worker that does not hold the lock is killed: clients that ask it ask the next, and nobody waits."
	waiter.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Random(1, harness.Replica)))}
	waiter.Duration = 7 * time.Second
	waiter.Promises = runner.Promises{runner.Availability(1, 0.98), runner.NoLostWrites()}

	cut := kill
	cut.Name = "coordination/lock/holder-partition"
	cut.Doc = "The holder is cut off from etcd and not from its clients: it stops changing anything when its lease is not renewed, another takes the lock, and no acknowledged change is lost."
	cut.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Nodes: harness.Primary},
			Right: faults.Side{Nodes: harness.Named("etcd-1", "etcd-2", "etcd-3")},
		}).Lasting(8 * time.Second),
	}
	cut.Duration = 14 * time.Second

	// The new leader of etcd gives every lease its whole time again.
	store := kill
	store.Name = "coordination/lock/store-leader-kill"
	store.Doc = "The leader of etcd is killed, under the lock and the sets: the holder keeps the lock if the next leader is there before its lease ends, else it is taken anew; no acknowledged change is lost."
	store.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(lockset.StoreLeader))}
	store.Duration = 11 * time.Second

	return []runner.Scenario{null, kill, pause, waiter, cut, store, clock, unfenced}
}

// lockLease prices the lease of the lock: how long a dead holder keeps it.
func lockLease() runner.Sweep {
	kill := named(lock(), "coordination/lock/holder-kill")
	return runner.SweepOver(kill, "lease",
		"How long the lock is nobody's when its holder dies. A shorter lease takes it from holders that are merely slow, which fencing makes safe but not free.",
		[]time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second},
		func(s *runner.Scenario, lease time.Duration) {
			system := s.System.(lockset.System)
			system.Lease = lease
			s.System = system
			s.Duration = 8*time.Second + lease
			s.Promises[1] = runner.RTO(lease+2*time.Second, lease+4*time.Second)
		})
}
