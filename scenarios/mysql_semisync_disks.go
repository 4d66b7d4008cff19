package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
)

// semiSyncDisks are the scenarios of row db/mysql-semisync in which a disk is
// slow, full or forgetful, or a clock is wrong.
func semiSyncDisks(safe runner.Scenario) []runner.Scenario {
	on := func(disk mysql.Disk) mysql.SemiSync {
		system := safe.System.(mysql.SemiSync)
		system.Disk = disk
		return system
	}

	slow := safe
	slow.Name = "db/mysql-semisync/disk-slow"
	slow.Doc = "Every sync of the source's disk takes 20 ms longer: a commit waits for two of them, shares both with others, and none is lost; nobody takes the source for dead."
	slow.System = on(mysql.InterposedDisk)
	slow.Load = load.Sets{Rate: 100, Sets: 16, Clients: 32, Timeout: time.Second}
	slow.Faults = faults.Schedule{faults.At(2*time.Second, faults.DiskSlow(harness.Primary, "", 20*time.Millisecond, disk.Sync)).Lasting(6 * time.Second)}
	slow.Duration = 12 * time.Second
	slow.Promises = runner.Promises{runner.Availability(1, 0.99), runner.LatencyP99(200*time.Millisecond, 450*time.Millisecond), runner.NoLostWrites()}

	// A thread that finds the disk full sleeps for a minute before it looks
	// again (MySQL reference manual B.3.4.3), whenever there is room.
	full := safe
	full.Name = "db/mysql-semisync/disk-full"
	full.Doc = "The source's disk is full for two seconds: commits stand still, none that was acknowledged is lost, and they go on by themselves when MySQL looks again, which it does once a minute."
	full.System = on(mysql.PlainDisk)
	full.Load = load.Sets{Rate: 50, Sets: 16, Clients: 32, Timeout: time.Second}
	full.Faults = faults.Schedule{faults.At(2*time.Second, faults.DiskFull(harness.Primary, "", 0)).Lasting(2 * time.Second)}
	full.Duration = 75 * time.Second
	full.Promises = runner.Promises{runner.RTO(62*time.Second, 66*time.Second), runner.NoLostWrites()}

	// The manager would be quicker than a reboot: here it waits for it, as when
	// a reboot is dearer than an outage of seconds.
	power := safe
	power.Name = "db/mysql-semisync/source-power-cut"
	power.Doc = "The source loses power, and with it what was not synced; it boots before the manager gives it up (30 s). All that it acknowledged was in its binary log on disk, and it goes on as the source."
	patient := on(mysql.PlainDisk)
	patient.DownAfter = 30 * time.Second
	power.System = patient
	power.Load = load.Sets{Rate: 100, Sets: 16, Clients: 16, Timeout: time.Second}
	power.Faults = faults.Schedule{faults.At(3*time.Second, faults.PowerCut(harness.Primary, "")).Lasting(time.Second)}
	power.Duration = 16 * time.Second
	power.Promises = runner.Promises{runner.RTO(5*time.Second, 9*time.Second), runner.NoLostWrites()}

	noSync := twin(power, "source-power-cut-no-sync",
		"Twin: sync_binlog=0 and innodb_flush_log_at_trx_commit=2, as guides to speed have it. The source comes back without what it acknowledged last, and its replicas, which have it, are made to forget it.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			quick := patient
			quick.NoSync = true
			s.System = quick
		})

	jump := safe
	jump.Name = "db/mysql-semisync/clock-jump"
	jump.Doc = "The source's wall clock jumps an hour ahead, and back when it is corrected: GTIDs are numbers and heartbeats intervals, and nobody notices."
	jump.Faults = faults.Schedule{faults.At(2*time.Second, faults.ClockJump(harness.Primary, time.Hour)).Lasting(4 * time.Second)}
	jump.Duration = 10 * time.Second
	jump.Promises = runner.Promises{runner.Availability(1, 0.99), runner.NoLostWrites()}

	return []runner.Scenario{slow, full, power, noSync, jump}
}
