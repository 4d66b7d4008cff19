package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
)

// clusterVariants are the scenarios of row cache/redis-cluster beyond the loss
// of one node: upkeep, bad wires, a wrong clock, the loss of a site's power.
func clusterVariants(kill runner.Scenario, sound redis.Cluster) []runner.Scenario {
	kill.Profile = runner.Nightly

	// A restarted primary takes no writes for 2 s (CLUSTER_WRITABLE_DELAY), and
	// is alive meanwhile: nobody takes its slots over.
	kept := sound
	kept.AppendFsync = "everysec"
	rolling := kill
	rolling.Name = "cache/redis-cluster/rolling-restart"
	rolling.Doc = "The three primaries are restarted one after the other: each shard is down for the restart and the 2 s in which Redis lets a restarted primary take no writes, one shard at a time."
	rolling.System = kept
	// Each restart has the limit and a stable window to itself, so that none is
	// held for the next one's outage.
	rolling.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Restart(harness.Named("redis-1"))),
		faults.At(10*time.Second, faults.Restart(harness.Named("redis-2"))),
		faults.At(18*time.Second, faults.Restart(harness.Named("redis-3"))),
	}
	rolling.Duration = 27 * time.Second
	rolling.Promises = runner.Promises{
		runner.RTO(3500*time.Millisecond, 5*time.Second),
		runner.RPO(100*time.Millisecond, time.Second),
		runner.Availability(0.87, 0.8), // a third of the load, three times 3 s in 27; at the limit, 5 s
	}
	forgetful := twin(rolling, "rolling-restart-no-persistence",
		"Twin: nothing is kept on disk. Each primary comes back empty before it is missed, and its replica copies that.",
		runner.FailsOn("rpo.seconds"),
		func(s *runner.Scenario) {
			empty := kept
			empty.AppendFsync = ""
			s.System = empty
		})

	return append([]runner.Scenario{rolling, forgetful}, append(clusterWires(kill), clusterPower(kill, sound)...)...)
}

// clusterWires are a long way, a bad wire and a wrong clock: nothing dies, and
// nobody may be taken for dead.
func clusterWires(kill runner.Scenario) []runner.Scenario {
	safe := kill
	// An operation takes longer, so it takes more clients to send as many.
	shard := load.Sets{Rate: 120, Sets: 1, Clients: 24, Timeout: time.Second}
	safe.Load = load.Combine(shard, shard, shard)
	safe.Duration = 11 * time.Second
	others := runner.Promises{on("sets#2", runner.Availability(1, 0.995)), on("sets#3", runner.Availability(1, 0.995))}

	far := safe
	far.Name = "cache/redis-cluster/latency"
	far.Doc = "One shard's primary is 50 ms away from clients and nodes: its writes take that much longer, those of the other shards do not, and nobody suspects it."
	far.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(faults.Link{To: redis.PrimaryOf(1)}, 50*time.Millisecond)).Lasting(6 * time.Second)}
	far.Promises = append(runner.Promises{
		runner.Availability(1, 0.99), runner.NoLostWrites(),
		on("sets", runner.LatencyP99(80*time.Millisecond, 250*time.Millisecond)),
		on("sets#2", runner.LatencyP99(20*time.Millisecond, 250*time.Millisecond)),
	}, others...)

	loss := safe
	loss.Name = "cache/redis-cluster/packet-loss"
	loss.Doc = "One packet in twenty to one shard's primary is lost, of clients and of nodes: some of its writes come 200 ms and more late, the other shards' do not, and nobody takes it for dead."
	loss.Faults = faults.Schedule{faults.At(2*time.Second, faults.Loss(faults.Link{To: redis.PrimaryOf(1)}, 0.05)).Lasting(6 * time.Second)}
	loss.Promises = append(runner.Promises{runner.Availability(0.99, 0.97), runner.RPO(100*time.Millisecond, time.Second)}, others...)

	// Redis counts the silence of others by its wall clock. After the jump the
	// last word of everybody is an hour old for this node, so it asks them.
	jump := safe
	jump.Name = "cache/redis-cluster/clock-jump"
	jump.Doc = "One shard's primary's clock jumps an hour ahead, and back when it is corrected: it asks the others before it suspects them, and nobody notices."
	jump.Faults = faults.Schedule{faults.At(2*time.Second, faults.ClockJump(redis.PrimaryOf(1), time.Hour)).Lasting(4 * time.Second)}
	jump.Promises = append(runner.Promises{runner.Availability(1, 0.99), runner.NoLostWrites()}, others...)

	return []runner.Scenario{far, loss, jump}
}

// clusterPower is a whole site without power: replicas are no help, what was
// not synced is on no disk.
func clusterPower(kill runner.Scenario, sound redis.Cluster) []runner.Scenario {
	kept := sound
	kept.AppendFsync, kept.Disks = "everysec", true
	power := kill
	power.Name = "cache/redis-cluster/all-power-cut"
	power.Doc = "All six nodes lose power at once, and with it what was not synced; a second later they boot. What is lost was acknowledged in the last two seconds, which is what appendfsync everysec says."
	power.System = kept
	power.Faults = faults.Schedule{
		faults.At(5*time.Second, faults.PowerCut(harness.Named("redis-1", "redis-2", "redis-3", "redis-4", "redis-5", "redis-6"), "")).Lasting(time.Second),
	}
	power.Duration = 19 * time.Second
	// A second in the dark, six boots, and the 2 s in which Redis lets a
	// restarted primary take no writes.
	power.Promises = runner.Promises{runner.RPO(1100*time.Millisecond, 2*time.Second), runner.RTO(5*time.Second, 8*time.Second)}
	noSync := twin(power, "all-power-cut-no-sync",
		"Twin: appendfsync no. The kernel writes when it sees fit, about every half minute: what was acknowledged since is gone, and no replica has it either.",
		runner.FailsOn("rpo.seconds"),
		func(s *runner.Scenario) {
			lazy := kept
			lazy.AppendFsync = "no"
			s.System = lazy
		})
	return []runner.Scenario{power, noSync}
}
