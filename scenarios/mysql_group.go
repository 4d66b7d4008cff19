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

// mysqlGroup is row db/mysql-group: Group Replication, three members, single
// primary. A transaction commits when a majority has received it, so that
// losing one member loses nothing. What a failover costs is time: 5 s until a
// silent member is suspected, which no setting shortens, a second each to expel
// it and to elect, then the expel time-out, then the backlog of the new primary.
//
// Found on the way: the group's communication layer (XCom) is one thread, and
// it waits for a connection for up to a second. As long as the address of a
// member that is gone answers nothing, not even a refusal, it tries again
// after 1, 2, 3, 4, 5 ... s, and every time all commits of the others stand
// still for that second, also after the member was expelled. A member that
// joins again costs 2 to 10 s of standing still. So the time to recover from a
// kill has no end while the machine is away, and another outage when it is
// back: what is promised there is a share of good operations, and no loss.
//
// Two settings, each wrong by itself for these promises: the default expel
// time-out of 5 s, which makes a failover take 20 s; and EVENTUAL, with which a
// new primary answers before it has applied what the old one had committed.
func mysqlGroup() []runner.Scenario {
	system := mysql.Group{Members: 3, ExpelTimeout: 0, UnreachableMajorityTimeout: 2 * time.Second}
	safe := runner.Scenario{
		Row:        "db/mysql-group",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.Sets{Rate: 200, Sets: 16, Clients: 16, Timeout: time.Second},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
	}

	null := safe
	null.Name = "db/mysql-group/null"
	null.Doc = "No fault: every write is received by a majority and read back."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.999), runner.NoLostWrites(), runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}

	failover := runner.Promises{runner.RTO(8*time.Second, 12*time.Second), runner.NoLostWrites()}
	// About 8 s of outage in 28, and the stalls after it.
	survives := runner.Promises{runner.Availability(0.55, 0.4), runner.NoLostWrites()}

	kill := safe
	kill.Name = "db/mysql-group/primary-kill"
	kill.Doc = "The primary's machine is gone for good: the others elect a new primary and lose nothing, but their commits stand still for a second again and again, whenever they look for it."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Duration = 28 * time.Second
	kill.Promises = survives

	comeback := safe
	comeback.Name = "db/mysql-group/primary-kill-return"
	comeback.Doc = "The killed primary comes back and joins: nothing acknowledged is lost, and the group is whole again; while it joins, commits stand still for several seconds."
	comeback.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary)).Lasting(10500 * time.Millisecond)}
	comeback.Duration = 36 * time.Second
	comeback.Promises = runner.Promises{runner.Exposed(25*time.Second, 45*time.Second), runner.NoLostWrites()}

	pause := safe
	pause.Name = "db/mysql-group/primary-pause"
	pause.Doc = "The primary freezes and thaws when it was expelled: it acknowledges nothing late, and joins again."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Primary)).Lasting(9 * time.Second)}
	pause.Duration = 20 * time.Second
	pause.Promises = failover

	partition := safe
	partition.Name = "db/mysql-group/primary-partition"
	partition.Doc = "The primary and some clients are cut off: without a majority it commits nothing, the others elect, and healed it joins again."
	partition.Clients = []string{"minority"}
	partition.Load = load.Combine(
		load.Sets{Rate: 150, Sets: 16, Clients: 16, Timeout: time.Second},
		load.CutOff(load.Sets{Rate: 50, Sets: 16, Clients: 8, Timeout: time.Second, Zone: "minority"}),
	)
	partition.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Nodes: harness.Primary, Clients: []string{"minority"}},
			Right: faults.Side{Nodes: harness.Except(harness.Primary)},
		}).Lasting(9 * time.Second),
	}
	partition.Duration = 28 * time.Second
	partition.Promises = survives

	secondary := safe
	secondary.Name = "db/mysql-group/secondary-kill"
	secondary.Doc = "A secondary is killed: a majority is left, yet commits stand still about as long as in a failover, while the group looks for it. Nothing acknowledged is lost."
	secondary.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named("mysql-3")))}
	secondary.Duration = 28 * time.Second
	secondary.Promises = survives

	// Backups hold the secondaries when the primary dies: whoever is elected
	// has a backlog. Reads must wait for it, which is the price.
	backlog := safe
	backlog.Name = "db/mysql-group/primary-kill-backlog"
	backlog.Doc = "The primary is killed while backups hold the secondaries: the new primary lets reads and writes wait until it has applied its backlog."
	held := system
	held.Backup = mysql.Backup{Hold: 16 * time.Second, Pause: 500 * time.Millisecond}
	backlog.System = held
	backlog.Load = load.Registers{Rate: 200, Keys: 20, Writes: 0.3, Clients: 24, Timeout: 500 * time.Millisecond}
	backlog.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	backlog.Duration = 24 * time.Second
	backlog.Promises = runner.Promises{
		// Until the backup ends; the stalls after it are those of every kill.
		record.Objective{Name: "outage", Kind: record.KindRTO, Unit: "s", Target: 16, Limit: 21},
		runner.NoFindings(check.LinearizableRegister),
		runner.NoFindings(check.NoStaleReads),
	}

	slow := twin(kill, "primary-kill-default-expel",
		"Twin: group_replication_member_expel_timeout 5 s, the default: the group waits for the dead, and the failover takes about 20 s.",
		runner.FailsOn("availability.requests"),
		func(s *runner.Scenario) {
			patient := system
			patient.ExpelTimeout = 5 * time.Second
			s.System = patient
		})

	eventual := twin(backlog, "primary-kill-backlog-eventual",
		"Twin: consistency EVENTUAL. The new primary answers before it has applied what was acknowledged: clients read the past.",
		runner.FailsOn("check."+check.LinearizableRegister, "check."+check.NoStaleReads),
		func(s *runner.Scenario) {
			careless := held
			careless.Consistency = mysql.Eventual
			s.System = careless
		})

	all := []runner.Scenario{null, kill, comeback, pause, partition, secondary, backlog, slow, eventual}
	return append(all, mysqlGroupVariants(safe)...)
}

// groupExpelTimeout prices group_replication_member_expel_timeout: how long the
// group waits for a suspected member before it goes on without.
func groupExpelTimeout() runner.Sweep {
	kill := named(mysqlGroup(), "db/mysql-group/primary-kill")
	return runner.SweepOver(kill, "group_replication_member_expel_timeout",
		"How much of a failover is the wait for a suspected member, on top of the 5 s that no setting shortens. In one run each 2 s cost as much as 5 s, as if suspicions were looked at every 15 s. While the dead are being looked for commits stand still again and again, so the outage says more than the time to recover.",
		[]time.Duration{0, 2 * time.Second, 5 * time.Second},
		func(s *runner.Scenario, expel time.Duration) {
			system := s.System.(mysql.Group)
			system.ExpelTimeout = expel
			s.System = system
		})
}
