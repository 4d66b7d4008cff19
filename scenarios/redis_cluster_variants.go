package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/runner"
)

// clusterVariants are the scenarios of row cache/redis-cluster beyond the loss
// of one node: upkeep, and the loss of the voters.
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
	rolling.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Restart(harness.Named("redis-1"))),
		faults.At(8*time.Second, faults.Restart(harness.Named("redis-2"))),
		faults.At(14*time.Second, faults.Restart(harness.Named("redis-3"))),
	}
	rolling.Duration = 22 * time.Second
	rolling.Promises = runner.Promises{
		runner.RTO(3500*time.Millisecond, 5*time.Second),
		runner.RPO(100*time.Millisecond, time.Second),
		runner.Availability(0.85, 0.75), // a third of the load, three times 3 s in 22
	}
	forgetful := twin(rolling, "rolling-restart-no-persistence",
		"Twin: nothing is kept on disk. Each primary comes back empty before it is missed, and its replica copies that.",
		runner.FailsOn("rpo.seconds"),
		func(s *runner.Scenario) {
			empty := kept
			empty.AppendFsync = ""
			s.System = empty
		})

	return []runner.Scenario{rolling, forgetful}
}
