package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
)

// sentinelVariants are the scenarios of row cache/redis-sentinel in which
// nothing dies for good: upkeep, a bad wire, a wrong clock.
//
// Found on the way: a primary that keeps nothing on disk and is restarted
// sooner than it is missed comes back empty, and its replicas copy the
// emptiness (Redis' documentation warns of it under "Safety of replication
// when master has persistence turned off").
func sentinelVariants(safe runner.Scenario, guarded redis.Sentinel) []runner.Scenario {
	safe.Profile = runner.Nightly

	// A restart is over before the sentinels miss the node: no failover is
	// wanted, so what the primary had must be on its disk.
	kept := guarded
	kept.AppendFsync = "everysec"
	kept.DownAfter = 5 * time.Second
	rolling := safe
	rolling.Name = "cache/redis-sentinel/rolling-restart"
	rolling.Doc = "Every server is restarted, the replicas first: each is back before it is missed, with what it had on disk, and next to nothing is lost."
	rolling.System = kept
	rolling.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Restart(harness.Named("redis-2"))),
		faults.At(5*time.Second, faults.Restart(harness.Named("redis-3"))),
		faults.At(8*time.Second, faults.Restart(harness.Named("redis-1"))),
	}
	rolling.Duration = 15 * time.Second
	rolling.Promises = runner.Promises{
		runner.RTO(1500*time.Millisecond, 3500*time.Millisecond),
		runner.RPO(100*time.Millisecond, time.Second),
	}
	forgetful := twin(rolling, "rolling-restart-no-persistence",
		"Twin: nothing is kept on disk. The restarted primary comes back empty before anybody misses it, and the replicas copy that.",
		runner.FailsOn("rpo.seconds"),
		func(s *runner.Scenario) {
			empty := kept
			empty.AppendFsync = ""
			s.System = empty
		})

	loss := safe
	loss.Name = "cache/redis-sentinel/packet-loss"
	loss.Doc = "One packet in twenty to the primary is lost: TCP sends it again after 200 ms and more, which few operations feel twice, and no failover makes it worse."
	loss.Faults = faults.Schedule{faults.At(2*time.Second, faults.Loss(faults.Link{To: harness.Primary}, 0.05)).Lasting(6 * time.Second)}
	loss.Duration = 12 * time.Second
	loss.Promises = runner.Promises{runner.Availability(0.99, 0.95), runner.RPO(100*time.Millisecond, time.Second)}

	// A sentinel whose wall clock jumps goes into TILT mode: for 30 s it watches
	// and does not act. The other two are a majority.
	jump := safe
	jump.Name = "cache/redis-sentinel/clock-jump-primary-kill"
	jump.Doc = "One sentinel's clock jumps by an hour, and it acts no more for 30 s (TILT mode); then the primary dies. The other two agree and fail over."
	jump.Faults = faults.Schedule{
		faults.At(time.Second, faults.ClockJump(harness.Named("sentinel-1"), time.Hour)),
		faults.At(3*time.Second, faults.Kill(harness.Primary)),
	}
	jump.Duration = 10 * time.Second
	jump.Promises = runner.Promises{
		runner.RTO(guarded.DownAfter+1500*time.Millisecond, guarded.DownAfter+4*time.Second),
		runner.RPO(100*time.Millisecond, time.Second),
	}
	unanimous := twin(jump, "clock-jump-primary-kill-unanimous",
		"Twin: quorum 3, all sentinels must agree that the primary is down. One of them says nothing for 30 s, and so long there is no failover.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			all := guarded
			all.Quorum = 3
			s.System = all
		})

	follower := safe
	follower.Name = "cache/redis-sentinel/replica-kill"
	follower.Doc = "A replica is killed: the guard wants one replica and one is left, so no client notices, and nothing is lost."
	follower.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named("redis-2")))}
	follower.Duration = 7 * time.Second
	follower.Promises = runner.Promises{runner.Availability(1, 0.995), runner.NoLostWrites()}
	greedy := twin(follower, "replica-kill-guard-wants-both",
		"Twin: min-replicas-to-write 2, both replicas. The guard that is to keep writes safe makes every replica one without which there are none: the primary refuses them at once.",
		runner.FailsOn("availability.requests"),
		func(s *runner.Scenario) {
			both := guarded
			both.MinReplicasToWrite = 2
			s.System = both
		})

	// An operation waits for the long way once; it takes more clients to send as
	// many of them.
	far := safe
	far.Name = "cache/redis-sentinel/latency"
	far.Doc = "The primary is 50 ms away from its clients, its replicas and the sentinels: each write takes that much longer. It is never silent for down-after, so it keeps its place and nothing is lost."
	far.Load = load.Sets{Rate: 300, Sets: 16, Clients: 40, Timeout: time.Second}
	far.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(faults.Link{To: harness.Primary}, 50*time.Millisecond)).Lasting(6 * time.Second)}
	far.Duration = 11 * time.Second
	far.Promises = runner.Promises{runner.Availability(1, 0.99), runner.NoLostWrites(), runner.LatencyP99(80*time.Millisecond, 250*time.Millisecond)}

	return []runner.Scenario{follower, greedy, rolling, forgetful, far, loss, jump, unanimous}
}
