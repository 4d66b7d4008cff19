package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// diskRedisSingle is row disk/redis-single: one Redis with an append-only file
// on a disk of its own, and no other copy of anything. Its machine loses power:
// what was written and not synced is gone. "appendfsync always" syncs before
// it answers, so nothing that was acknowledged may be missing. The twins
// acknowledge too early: "no" leaves syncing to the kernel; and a disk that
// says "synced" and keeps it in a volatile cache makes "always" worth no more
// than that. "everysec", which is the default, is held to what it promises:
// about a second. On a full disk the roles change: "everysec" refuses writes
// until there is room, "always" cannot keep its word and ends the server.
func diskRedisSingle() []runner.Scenario {
	const (
		dark   = time.Second // how long the machine is without power
		cutsAt = 3 * time.Second
	)
	safe := runner.Scenario{
		Row:        "disk/redis-single",
		Profile:    runner.Quick,
		System:     redis.Single{AppendFsync: "always"},
		Load:       load.Sets{Rate: 300, Sets: 16, Clients: 16, Timeout: time.Second},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: time.Second},
		Resolution: 250 * time.Millisecond,
		Weight:     runner.Light,
	}

	null := safe
	null.Name = "disk/redis-single/null"
	null.Doc = "No fault: every write is synced, acknowledged and read back."
	null.Profile = runner.Nightly
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.999), runner.NoLostWrites()}

	power := safe
	power.Name = "disk/redis-single/power-cut"
	power.Doc = "The machine loses power, and with it what was not synced; one second later it boots. Every acknowledged write is there, since each was synced before its answer."
	power.Faults = faults.Schedule{faults.At(cutsAt, faults.PowerCut(harness.Primary, "")).Lasting(dark)}
	power.Duration = 9 * time.Second
	power.Promises = runner.Promises{runner.NoLostWrites(), runner.RTO(dark+time.Second, dark+3500*time.Millisecond)}

	everysec := power
	everysec.Name = "disk/redis-single/power-cut-everysec"
	everysec.Doc = "The same with appendfsync everysec, the default: what is lost was acknowledged in the last two seconds (Redis syncs in the background, and goes on for up to two seconds while the last sync is under way)."
	everysec.Profile = runner.Nightly
	everysec.System = redis.Single{AppendFsync: "everysec"}
	everysec.Promises = runner.Promises{runner.RPO(1100*time.Millisecond, 2*time.Second), runner.RTO(dark+time.Second, dark+3500*time.Millisecond)}

	full := safe
	full.Name = "disk/redis-single/disk-full"
	full.Doc = "The disk is full: writes are refused and none of them is acknowledged; when there is room again they succeed by themselves."
	full.Profile = runner.Nightly
	full.System = everysec.System
	full.Faults = faults.Schedule{faults.At(cutsAt, faults.DiskFull(harness.Primary, "", 0)).Lasting(2 * time.Second)}
	full.Duration = 9 * time.Second
	full.Promises = runner.Promises{runner.NoLostWrites(), runner.RTO(3*time.Second, 4500*time.Millisecond)}

	noSync := func(s *runner.Scenario) {
		s.Profile = runner.Nightly
		s.System = redis.Single{AppendFsync: "no"}
	}
	return []runner.Scenario{
		null, power, everysec, full,
		twin(power, "power-cut-lying-disk",
			"Twin: the disk answers \"synced\" and has it in a volatile cache alone (no barrier, no battery). What was acknowledged since it began to lie is gone.",
			runner.FailsOn("lost"), func(s *runner.Scenario) {
				s.Faults = append(faults.Schedule{faults.At(200*time.Millisecond, faults.LyingSync(harness.Primary, ""))}, s.Faults...)
			}),
		twin(power, "power-cut-no-sync",
			"Twin: appendfsync no. The kernel writes when it sees fit, about every half minute: what was acknowledged since is gone.",
			runner.FailsOn("lost"), noSync),
		twin(everysec, "power-cut-everysec-no-sync",
			"Twin: appendfsync no. A promise of two seconds becomes one of half a minute.",
			runner.FailsOn("rpo.seconds"), noSync),
		twin(full, "disk-full-always",
			"Twin: appendfsync always. A server that has promised to sync and cannot write ends itself; nobody starts it again.",
			runner.FailsOn("rto"), func(s *runner.Scenario) { s.System = redis.Single{AppendFsync: "always"} }),
	}
}
