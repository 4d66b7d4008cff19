package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// etcdCluster is row coordination/etcd: three members under reads, writes,
// compare-and-sets and locks. Whatever happens to one member, every register
// and every lock must stay linearizable, and a lost leader must be replaced within about two election
// time-outs and a client's deadline.
func etcdCluster() []runner.Scenario {
	sound := etcd.Cluster{Members: 3}
	safe := runner.Scenario{
		Row:     "coordination/etcd",
		Profile: runner.Nightly,
		System:  sound,
		Load: load.Combine(
			load.Registers{Rate: 200, Keys: 10, CompareAndSet: 0.2, Clients: 12, Timeout: time.Second},
			load.Locks{Rate: 50, Locks: 4, Clients: 6},
		),
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
	}
	linearizable, exclusive := runner.NoFindings(check.LinearizableRegister), runner.NoFindings(check.LinearizableLock)

	null := safe
	null.Name = "coordination/etcd/null"
	null.Doc = "No fault: every read and write is answered, and the registers are linearizable."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.99), linearizable, exclusive, runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}

	kill := safe
	kill.Name = "coordination/etcd/leader-kill"
	kill.Doc = "The leader is killed: another is elected, and the registers stay linearizable."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Duration = 9 * time.Second
	kill.Promises = runner.Promises{runner.RTO(2*time.Second, 4*time.Second), linearizable, exclusive}

	pause := kill
	pause.Name = "coordination/etcd/leader-pause"
	pause.Doc = "The leader freezes: another is elected; thawed, the old one follows, and the registers stay linearizable."
	// Clients that meet the frozen member lose a deadline, some of them twice;
	// the freeze lasts a stable window longer, so that what the thaw costs is
	// told apart from the recovery.
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Primary)).Lasting(7 * time.Second)}
	pause.Duration = 14 * time.Second

	follower := kill
	follower.Name = "coordination/etcd/follower-kill"
	follower.Doc = "A follower is killed: its clients go on elsewhere at once, nobody else notices."
	follower.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Random(1, harness.Replica)))}
	follower.Duration = 7 * time.Second
	follower.Promises = runner.Promises{runner.RTO(500*time.Millisecond, 2*time.Second), linearizable, exclusive}

	// The minority's clients reach the old leader alone. Their outage is
	// declared; what they read must be true all the same.
	partition := safe
	partition.Name = "coordination/etcd/leader-partition"
	partition.Doc = "The leader and some clients are cut off from everything else: the others elect a leader, and the cut-off side answers nothing rather than something old."
	partition.Clients = []string{"majority", "minority"}
	partition.Load = load.Registers{Rate: 200, Keys: 10, Clients: 16, Timeout: time.Second, Zones: []string{"majority", "minority"}}
	partition.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Nodes: harness.Primary, Clients: []string{"minority"}},
			Right: faults.Side{Nodes: harness.Except(harness.Primary), Clients: []string{"majority"}},
		}).Lasting(6 * time.Second),
	}
	partition.Duration = 13 * time.Second
	partition.Promises = runner.Promises{
		linearizable,
		on("registers@majority", record.Objective{Name: "outage", Kind: record.KindRTO, Unit: "s", Target: 2, Limit: 4}),
	}

	stale := twin(partition, "leader-partition-serializable",
		"Twin: serializable reads. The cut-off member answers from what it had, while the other side writes on.",
		runner.FailsOn(linearizable.Name),
		func(s *runner.Scenario) {
			quick := sound
			quick.SerializableReads = true
			s.System = quick
		})

	return append([]runner.Scenario{null, kill, pause, follower, partition, stale}, etcdVariants(safe, runner.Promises{linearizable, exclusive})...)
}

// etcdElection prices election-timeout, with heartbeats at a tenth of it as
// etcd's tuning guide says: how long followers wait for a silent leader.
func etcdElection() runner.Sweep {
	kill := named(etcdCluster(), "coordination/etcd/leader-kill")
	return runner.SweepOver(kill, "election-timeout",
		"How much of a failover is the wait for a silent leader. The shorter it is, the sooner a leader that is only slow is deposed.",
		[]time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second},
		func(s *runner.Scenario, election time.Duration) {
			if election != time.Second { // the default, as the scenario has it
				system := s.System.(etcd.Cluster)
				system.Heartbeat, system.Election = election/10, election
				s.System = system
			}
			s.Duration = 7*time.Second + 3*election
			s.Promises[0] = runner.RTO(2*election+500*time.Millisecond, 2*election+3*time.Second)
		})
}
