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

// redisSentinel is row cache/redis-sentinel: one primary, two replicas, three
// sentinels. Replication is asynchronous, so a failover may lose what was
// acknowledged just before it: the promise is a bound in seconds, kept by
// min-replicas-to-write and min-replicas-max-lag. Without that guard a primary
// cut off from the rest goes on acknowledging writes that are all lost (the
// recipe of Jepsen's analysis of Redis, 2013).
func redisSentinel() []runner.Scenario {
	const downAfter = 500 * time.Millisecond
	guarded := redis.Sentinel{
		Replicas: 2, Sentinels: 3, DownAfter: downAfter,
		MinReplicasToWrite: 1, MinReplicasMaxLag: 2 * time.Second,
	}
	safe := runner.Scenario{
		Row:        "cache/redis-sentinel",
		Profile:    runner.Quick,
		System:     guarded,
		Load:       load.Sets{Rate: 500, Sets: 16, Clients: 16, Timeout: time.Second},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
	}

	null := safe
	null.Name = "cache/redis-sentinel/null"
	null.Doc = "No fault: every write is acknowledged and read back."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.999), runner.NoLostWrites(), runner.LatencyP99(20*time.Millisecond, 250*time.Millisecond)}

	// A failover takes down-after to notice, and about 1.2 s of vote and
	// reconfiguration; the matrix allows down-after + 3 s.
	promises := runner.Promises{
		runner.RTO(2*time.Second, downAfter+3*time.Second),
		runner.RPO(100*time.Millisecond, time.Second),
		runner.SplitBrain(100*time.Millisecond, time.Second),
	}

	kill := safe
	kill.Name = "cache/redis-sentinel/primary-kill"
	kill.Doc = "The primary is killed: a replica takes over, and what is lost was acknowledged within the last second."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Duration = 9 * time.Second
	kill.Promises = promises

	pause := kill
	pause.Name = "cache/redis-sentinel/primary-pause"
	pause.Doc = "The primary freezes: a replica takes over; thawed, the old primary steps down and its late writes are not kept."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Primary))}

	partition := safe
	partition.Name = "cache/redis-sentinel/primary-partition"
	partition.Doc = "The primary and some clients are cut off from everything else: the guard closes within seconds, and only what was acknowledged before it did is lost."
	// Everybody looks for the primary from a side of the partition; only the
	// run itself, on the data network, goes on seeing both.
	partition.Clients = []string{"majority", "minority"}
	partition.Load = load.Combine(
		load.Sets{Rate: 300, Sets: 16, Clients: 12, Timeout: time.Second, Zone: "majority"},
		load.CutOff(load.Sets{Rate: 200, Sets: 16, Clients: 8, Timeout: time.Second, Zone: "minority"}),
	)
	partition.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Nodes: harness.Primary, Clients: []string{"minority"}},
			Right: faults.Side{Nodes: harness.Except(harness.Primary), Clients: []string{"majority"}},
		}).Lasting(8 * time.Second),
	}
	partition.Duration = 15 * time.Second
	// The guard notices a silent replica after max-lag, counted in whole
	// seconds and looked at once a second: it closes within about 4 s.
	partition.Promises = runner.Promises{
		runner.RTO(2*time.Second, downAfter+3*time.Second),
		runner.RPO(100*time.Millisecond, time.Second),
		runner.SplitBrain(3500*time.Millisecond, 5*time.Second),
	}

	unguarded := twin(partition, "primary-partition-unguarded",
		"Twin: min-replicas-to-write 0, the default. The cut-off primary acknowledges writes until the partition heals, and all of them are lost.",
		runner.FailsOn("split_brain"),
		func(s *runner.Scenario) {
			open := guarded
			open.MinReplicasToWrite = 0
			s.System = open
		})

	return append([]runner.Scenario{null, kill, pause, partition, unguarded}, sentinelVariants(safe, guarded)...)
}

// sentinelDownAfter prices down-after-milliseconds: how long a primary may be
// silent until a sentinel calls it down. It is nearly all of a failover that
// can be bought; a shorter one mistakes a slow primary for a dead one sooner.
func sentinelDownAfter() runner.Sweep {
	kill := named(redisSentinel(), "cache/redis-sentinel/primary-kill")
	return runner.SweepOver(kill, "down-after-milliseconds",
		"How much of a failover is the wait for a silent primary, and how much is vote, reconfiguration and reconnection.",
		[]time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second},
		func(s *runner.Scenario, downAfter time.Duration) {
			system := s.System.(redis.Sentinel)
			system.DownAfter = downAfter
			s.System = system
			s.Promises[0] = runner.RTO(downAfter+1500*time.Millisecond, downAfter+3*time.Second)
		})
}
