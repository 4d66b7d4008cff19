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

// redisCluster is row cache/redis-cluster: three shards of a primary and a
// replica each. A shard whose primary dies must come back within about
// cluster-node-timeout + 2 s, and the slots of the others must not notice.
//
// Each shard has a lane of its own ("sets" is the first's, "sets#2" and
// "sets#3" are the others'), so what the untouched shards promise is judged
// apart from the one that is hit. Replication is asynchronous: as for Sentinel,
// what may be lost is promised in seconds.
func redisCluster() []runner.Scenario {
	const nodeTimeout = time.Second
	sound := redis.Cluster{
		Replicas: []int{1, 1, 1}, NodeTimeout: nodeTimeout, PartialCoverage: true,
		Refresh: 200 * time.Millisecond,
	}
	shard := load.Sets{Rate: 150, Sets: 1, Clients: 8, Timeout: time.Second}
	safe := runner.Scenario{
		Row:        "cache/redis-cluster",
		Profile:    runner.Nightly,
		System:     sound,
		Load:       load.Combine(shard, shard, shard),
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
	}

	null := safe
	null.Name = "cache/redis-cluster/null"
	null.Doc = "No fault: every write to every shard is acknowledged and read back."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.999), runner.NoLostWrites(), runner.LatencyP99(20*time.Millisecond, 250*time.Millisecond)}

	// The suspicion of a majority takes 1 to 1.5 node time-outs, the replica's
	// own delay 0.5 to 1 s, the clients' reload up to Refresh.
	promises := runner.Promises{
		runner.RTO(nodeTimeout+2*time.Second, nodeTimeout+3*time.Second),
		runner.RPO(100*time.Millisecond, time.Second),
		runner.SplitBrain(100*time.Millisecond, time.Second),
		on("sets#2", runner.Availability(1, 0.995)),
		on("sets#3", runner.Availability(1, 0.995)),
	}

	kill := safe
	kill.Name = "cache/redis-cluster/primary-kill"
	kill.Doc = "One shard's primary is killed: its replica takes over, and the slots of the other shards do not notice."
	kill.Profile = runner.Quick
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(redis.PrimaryOf(1)))}
	kill.Duration = 10 * time.Second
	kill.Promises = promises

	pause := kill
	pause.Name = "cache/redis-cluster/primary-pause"
	pause.Doc = "One shard's primary freezes: its replica takes over; thawed, the old primary steps down."
	pause.Profile = runner.Nightly
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(redis.PrimaryOf(1)))}
	pause.Duration = 11 * time.Second

	follower := kill
	follower.Name = "cache/redis-cluster/replica-kill"
	follower.Doc = "One shard's replica is killed: no client notices, nothing is lost."
	follower.Profile = runner.Nightly
	follower.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(redis.ReplicaOf(1)))}
	follower.Duration = 6 * time.Second
	follower.Promises = runner.Promises{runner.Availability(1, 0.995), runner.NoLostWrites()}

	partition := kill
	partition.Name = "cache/redis-cluster/primary-partition"
	partition.Doc = "One shard's primary and some clients are cut off from everything else: it stops acknowledging after the node time-out, and only what it took until then is lost."
	partition.Profile = runner.Nightly
	// The majority's clients must not reach the cut-off primary either: see
	// what hadrill found in package redis, Cluster.
	partition.Clients = []string{"majority", "minority"}
	inMajority := shard
	inMajority.Zone = "majority"
	partition.Load = load.Combine(inMajority, inMajority, inMajority,
		load.CutOff(load.Sets{Rate: 100, Sets: 1, Clients: 6, Timeout: time.Second, Zone: "minority"}))
	partition.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Nodes: redis.PrimaryOf(1), Clients: []string{"minority"}},
			Right: faults.Side{Nodes: harness.Except(redis.PrimaryOf(1)), Clients: []string{"majority"}},
		}).Lasting(7 * time.Second),
	}
	partition.Duration = 14 * time.Second
	partition.Promises = runner.Promises{
		runner.RTO(nodeTimeout+2*time.Second, nodeTimeout+3*time.Second),
		runner.RPO(100*time.Millisecond, time.Second),
		runner.SplitBrain(nodeTimeout+500*time.Millisecond, nodeTimeout+1500*time.Millisecond),
		on("sets@majority#2", runner.Availability(1, 0.995)),
		on("sets@majority#3", runner.Availability(1, 0.995)),
	}

	noReplica := twin(kill, "primary-kill-no-replica",
		"Twin: the shard has no replica. Nobody can take its slots over: they are down until the node returns, and what it held is gone.",
		runner.FailsOn("rto", "rpo.seconds"),
		func(s *runner.Scenario) {
			bare := sound
			bare.Replicas = []int{0, 1, 1}
			s.System = bare
			s.Profile = runner.Nightly
		})

	fullCoverage := twin(kill, "primary-kill-full-coverage",
		"Twin: cluster-require-full-coverage yes, the default. While one shard has no owner, no slot is served at all.",
		runner.FailsOn("availability.requests@sets#2", "availability.requests@sets#3"),
		func(s *runner.Scenario) {
			all := sound
			all.PartialCoverage = false
			s.System = all
		})

	staleMap := twin(kill, "primary-kill-stale-map",
		"Twin: clients reload the map of slots every 60 s, go-redis' default. The replica has long taken over while they still dial the dead primary.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			lazy := sound
			lazy.Refresh = 0
			s.System = lazy
			s.Profile = runner.Nightly
		})

	return append([]runner.Scenario{null, kill, pause, follower, partition, noReplica, fullCoverage, staleMap}, clusterVariants(kill, sound)...)
}

// clusterNodeTimeout prices cluster-node-timeout: how long a primary may be
// silent until a majority calls it failed. It bounds the outage from below and,
// since a cut-off primary acknowledges for as long, the loss from above.
func clusterNodeTimeout() runner.Sweep {
	kill := named(redisCluster(), "cache/redis-cluster/primary-kill")
	return runner.SweepOver(kill, "cluster-node-timeout",
		"How much of a failover is the wait for a silent primary; the replica's own delay of half to one second and the clients' reload come on top.",
		[]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second},
		func(s *runner.Scenario, timeout time.Duration) {
			system := s.System.(redis.Cluster)
			system.NodeTimeout = timeout
			s.System = system
			s.Duration = 8*time.Second + 2*timeout
			s.Promises[0] = runner.RTO(timeout+2*time.Second, timeout+3*time.Second)
		})
}
