package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
)

// diskSelftests damage the subject's disk; the witness asks the subject to
// write a block and sync it.
func diskSelftests() []selftest {
	const late = linkDelay
	all := []selftest{
		{
			fault: faults.DiskSlow(subject(), "", late, disk.Sync), doc: "every sync of the node's disk takes longer",
			// One at a time: those that wait behind another may give up.
			promises: append(gone(), medianDuring(late)),
		},
		{
			fault: faults.DiskHang(subject(), ""), doc: "the node's disk answers nothing until it is healed, and then goes on",
			promises: append(gone(), medianDuring(700*time.Millisecond)),
		},
		{
			fault: faults.DiskError(subject(), "", "EIO", 0, disk.Sync), doc: "every sync of the node's disk fails, at once",
			promises: append(gone(), tailAtMost(atOnce)),
		},
		{
			fault: faults.DiskFull(subject(), "", 0), doc: "the node's disk takes nothing more until there is room again",
			promises: append(gone(), tailAtMost(atOnce)),
		},
	}
	for i := range all {
		all[i].disk, all[i].route, all[i].lasting, all[i].rate = true, "/disk", true, 40
	}
	return all
}

// lossSelftests are the two faults of disks that nobody sees while they last:
// what is missing shows afterwards. The witness is the ledger of what a Redis
// acknowledged. A power cut takes what was not synced; a disk that lies takes
// what was. That the same power cut takes nothing from the same server on an
// honest disk is row disk/redis-single.
func lossSelftests() []runner.Scenario {
	power := diskRedisSingle()[1]
	power.Row, power.Profile = selftestRow, runner.Nightly
	power.Promises = runner.Promises{lostAtLeast(100), overBy(4500 * time.Millisecond)}

	cut := power
	cut.Name = selftestRow + "/power-cut"
	cut.Doc = "The instrument: a node without power answers nobody, and when it is back its disk has forgotten what was not synced."
	cut.System = redis.Single{AppendFsync: "no"}
	cut.Promises = append(cut.Promises, outageAtLeast(800*time.Millisecond))

	lying := power
	lying.Name = selftestRow + "/lying-sync"
	lying.Doc = "The instrument: a disk that lies about having synced loses what it acknowledged, as soon as the power goes."
	lying.Faults = append(faults.Schedule{faults.At(200*time.Millisecond, faults.LyingSync(harness.Primary, ""))}, power.Faults...)
	lying.Promises = runner.Promises{lostAtLeast(100), overBy(7500 * time.Millisecond)}
	return []runner.Scenario{cut, lying}
}

// lostAtLeast demands damage: so many acknowledged writes are gone.
func lostAtLeast(n float64) record.Objective {
	o := runner.NoLostWrites()
	o.Higher, o.Target, o.Limit = true, n, n
	return o
}
