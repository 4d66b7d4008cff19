package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// mysqlSemiSync is row db/mysql-semisync: a source, two replicas, and a manager
// that fails over. A commit is acknowledged only when a replica has it, for
// ever if need be; the manager promotes only when it has stopped enough
// replicas to be sure of every acknowledged commit. So nothing acknowledged is
// ever lost, at the price of standing still when that cannot be had.
//
// Three settings, each wrong by itself: no acknowledgement at all; a time-out
// after which the source silently goes on without; waiting only after the row
// is visible.
func mysqlSemiSync() []runner.Scenario {
	system := mysql.SemiSync{Replicas: 2, Acks: 1}
	safe := runner.Scenario{
		Row:        "db/mysql-semisync",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.Sets{Rate: 200, Sets: 16, Clients: 16, Timeout: time.Second},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
	}

	null := safe
	null.Name = "db/mysql-semisync/null"
	null.Doc = "No fault: every write is acknowledged by a replica and read back."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.999), runner.NoLostWrites(), runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}

	failover := runner.Promises{runner.RTO(3*time.Second, 7*time.Second), runner.NoLostWrites()}

	kill := safe
	kill.Profile = runner.Quick
	kill.Name = "db/mysql-semisync/source-kill"
	kill.Doc = "The source is killed: the manager promotes the most advanced replica, and nothing acknowledged is lost."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Duration = 10 * time.Second
	kill.Promises = runner.Promises{runner.RTO(1500*time.Millisecond, 4*time.Second), runner.NoLostWrites()}

	comeback := kill
	comeback.Profile = runner.Nightly
	comeback.Name = "db/mysql-semisync/source-kill-return"
	comeback.Doc = "The source is killed and comes back under load: what it committed alone on its restart is discarded, and it follows its successor."
	comeback.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary)).Lasting(6 * time.Second)}
	comeback.Duration = 18 * time.Second
	comeback.Promises = append(runner.Promises{runner.Exposed(12*time.Second, 20*time.Second)}, failover...)

	pause := safe
	pause.Name = "db/mysql-semisync/source-pause"
	pause.Doc = "The source freezes and thaws after its successor took over: its waiting sessions are ended before its semi-sync is, so that no client is told of a commit that is void."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Primary)).Lasting(8 * time.Second)}
	pause.Duration = 16 * time.Second
	pause.Promises = failover

	partition := safe
	partition.Name = "db/mysql-semisync/source-partition"
	partition.Doc = "The source and some clients are cut off from everything else: it acknowledges nothing any more, its successor takes over, and healed it follows."
	partition.Clients = []string{"minority"}
	partition.Load = load.Combine(
		load.Sets{Rate: 150, Sets: 16, Clients: 16, Timeout: time.Second},
		load.CutOff(load.Sets{Rate: 50, Sets: 16, Clients: 8, Timeout: time.Second, Zone: "minority"}),
	)
	partition.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Nodes: harness.Primary, Clients: []string{"minority"}},
			Right: faults.Side{Nodes: harness.Except(harness.Primary)},
		}).Lasting(8 * time.Second),
	}
	partition.Duration = 18 * time.Second
	partition.Promises = failover

	replica := safe
	replica.Name = "db/mysql-semisync/replica-kill"
	replica.Doc = "One of two replicas is killed: the other acknowledges, and no client notices."
	replica.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named("mysql-3")))}
	replica.Duration = 8 * time.Second
	replica.Promises = runner.Promises{runner.Availability(1, 0.99), runner.RTO(250*time.Millisecond, time.Second), runner.NoLostWrites()}

	manager := replica
	manager.Name = "db/mysql-semisync/manager-kill"
	manager.Doc = "The manager is killed: as long as the source lives nothing depends on it."
	manager.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Arbiter))}

	// The source cannot reach its replicas but everybody else can reach the
	// source: commits must stand still. Then it dies. What was acknowledged in
	// between is lost, whatever was read in between vanishes. The one-way cut
	// lies at the replicas, so that it outlives the source.
	cut := safe
	cut.Name = "db/mysql-semisync/replicas-cut-source-kill"
	cut.Doc = "The source loses its replicas, then its life: commits stood still meanwhile, so nothing acknowledged is lost and nothing that was read vanishes."
	cut.Load = load.Combine(
		load.Sets{Rate: 100, Sets: 16, Clients: 16, Timeout: time.Second},
		load.Registers{Rate: 200, Keys: 20, Writes: 0.2, Clients: 24, Timeout: 500 * time.Millisecond},
	)
	cut.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.OneWay{From: faults.Side{Nodes: harness.Primary}, To: faults.Side{Nodes: harness.Replica}}),
		faults.At(5*time.Second, faults.Kill(harness.Primary)),
	}
	cut.Duration = 14 * time.Second
	cut.Promises = runner.Promises{
		runner.RTO(8*time.Second, 13*time.Second), // three of them are the cut
		runner.NoLostWrites(),
		runner.NoFindings(check.LinearizableRegister),
	}

	asynchronous := twin(cut, "replicas-cut-source-kill-asynchronous",
		"Twin: no replica need acknowledge, MySQL's default. What the source acknowledged alone dies with it.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			alone := system
			alone.Acks = 0
			s.System = alone
		})

	fallback := twin(cut, "replicas-cut-source-kill-fallback",
		"Twin: semi-sync with a time-out, as it is by default (10 s; 1 s here): when replicas stay silent for longer, the source goes on without them and tells no client.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			impatient := system
			impatient.AckTimeout = time.Second
			s.System = impatient
		})
	fallback.Profile = runner.Quick

	afterCommit := twin(cut, "replicas-cut-source-kill-after-commit",
		"Twin: AFTER_COMMIT waits when the row is already visible: others read it, and it vanishes with the source.",
		runner.FailsOn("check."+check.LinearizableRegister),
		func(s *runner.Scenario) {
			early := system
			early.WaitPoint = mysql.AfterCommit
			s.System = early
		})

	splitBrain := twin(partition, "source-partition-asynchronous",
		"Twin: no replica need acknowledge. The cut-off source goes on acknowledging, and all of it is discarded when it comes back.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			alone := system
			alone.Acks = 0
			s.System = alone
		})

	all := []runner.Scenario{null, kill, comeback, pause, partition, replica, manager, cut, asynchronous, fallback, afterCommit, splitBrain}
	all = append(all, semiSyncVariants(safe)...)
	return append(all, semiSyncDisks(safe)...)
}

// semiSyncAcks prices durability: how many replicas must have a commit before
// it is acknowledged.
func semiSyncAcks() runner.Sweep {
	cut := named(mysqlSemiSync(), "db/mysql-semisync/replicas-cut-source-kill")
	acks := func(n int) func(*runner.Scenario) {
		return func(s *runner.Scenario) {
			system := s.System.(mysql.SemiSync)
			system.Acks = n
			s.System = system
		}
	}
	return runner.SweepOf(cut, "rpl_semi_sync_source_wait_for_replica_count",
		"What waiting for a replica (acks=1), or for none (acks=0, asynchronous), costs each commit, and what it keeps when the source loses its replicas and then its life.",
		runner.Choice{Label: "acks=0", Turn: acks(0)},
		runner.Choice{Label: "acks=1", Turn: acks(1)})
}

// semiSyncDownAfter prices the manager's patience: how long the source may be
// silent before the manager takes it for dead.
func semiSyncDownAfter() runner.Sweep {
	kill := named(mysqlSemiSync(), "db/mysql-semisync/source-kill")
	return runner.SweepOver(kill, "manager's down-after",
		"How much of a failover is the manager's wait for a silent source, and how much is stopping, choosing, promoting and finding the new source.",
		[]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second},
		func(s *runner.Scenario, downAfter time.Duration) {
			if downAfter != time.Second { // the default, as the scenario has it
				system := s.System.(mysql.SemiSync)
				system.DownAfter = downAfter
				s.System = system
			}
			s.Promises[0] = runner.RTO(downAfter+500*time.Millisecond, downAfter+3*time.Second)
		})
}
