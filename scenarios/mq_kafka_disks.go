package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/kafka"
	"github.com/hadrill/hadrill/runner"
)

// kafkaDisks are the scenarios of row mq/kafka in which a disk is full or loses
// its power. Kafka does not sync before it answers: what is promised is kept by
// the other replicas, and the last one has nobody to keep it.
func kafkaDisks(follower, keeper runner.Scenario) []runner.Scenario {
	system := follower.System.(kafka.Cluster)
	system.Disks = true

	power := follower
	power.Name = "mq/kafka/leader-power-cut"
	power.Doc = "The leader loses power, and with it what was not synced, which is nearly all: another one leads, and the old one, back, is given what it has forgotten."
	power.System = system
	power.Faults = faults.Schedule{faults.At(2*time.Second, faults.PowerCut(harness.Primary, "")).Lasting(6 * time.Second)}
	power.Duration = 20 * time.Second
	power.Promises = kafkaSound(runner.RTO(4500*time.Millisecond, 6*time.Second), runner.Exposed(14*time.Second, 18*time.Second))

	full := follower
	full.Name = "mq/kafka/leader-disk-full"
	full.Doc = "The leader's disk is full: it cannot keep its log and ends itself, another one leads, and nothing confirmed is lost."
	full.System = system
	full.Faults = faults.Schedule{faults.At(2*time.Second, faults.DiskFull(harness.Primary, "", 0))}
	full.Duration = 14 * time.Second
	full.Promises = kafkaSound(runner.RTO(6*time.Second, 9*time.Second))

	// As replication-cut-leader-kill-return, but the kernel's memory, which
	// outlives a process, is gone too.
	last := keeper
	last.Name = "mq/kafka/replication-cut-leader-power-cut"
	last.Doc = "Followers cannot fetch any more, then the leader loses power: with min.insync.replicas=2 it has confirmed nothing alone, so what it forgot the others have."
	alone := keeper.System.(kafka.Cluster)
	alone.MinInSync, alone.Disks = 2, true
	last.System = alone
	last.Faults = faults.Schedule{keeper.Faults[0], faults.At(keeper.Faults[1].At, faults.PowerCut(harness.Primary, ""))}

	forgotten := twin(last, "replication-cut-leader-power-cut-min-insync-1",
		"Twin: min.insync.replicas=1, the default. The last in-sync replica confirms what only its memory has, comes back without it, and leads again.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			careless := alone
			careless.MinInSync = 1
			s.System = careless
		})

	return []runner.Scenario{power, full, last, forgotten}
}
