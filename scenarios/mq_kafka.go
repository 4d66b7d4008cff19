package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/kafka"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// mqKafka is row mq/kafka: three brokers that are controllers too, one topic
// on all of them.
func mqKafka() []runner.Scenario {
	system := kafka.Cluster{MinInSync: 2, SessionTimeout: 3 * time.Second, Heartbeat: 500 * time.Millisecond}
	safe := runner.Scenario{
		Row:        "mq/kafka",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.Queues{Rate: 200, Queues: 3, Consumers: 3, Clients: 16, Timeout: 2 * time.Second},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
	}
	sound := runner.Promises{
		runner.NoLostWrites(),
		runner.NoFindings(check.NoDuplicates),
		runner.NoFindings(check.Ordered),
	}

	null := safe
	null.Name = "mq/kafka/null"
	null.Doc = "No fault: every message is confirmed by all replicas, and comes out once and in order."
	null.Duration = 4 * time.Second
	null.Promises = append(runner.Promises{runner.Availability(1, 0.999), runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}, sound...)

	kill := safe
	kill.Profile = runner.Quick
	kill.Name = "mq/kafka/leader-kill"
	kill.Doc = "The leader of all partitions is killed: when its session has ended another one leads, and nothing confirmed is lost, doubled or out of order."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Duration = 9 * time.Second
	kill.Promises = append(runner.Promises{runner.RTO(4500*time.Millisecond, 6*time.Second)}, sound...)

	isolate := safe
	isolate.Name = "mq/kafka/leader-isolate-kill"
	isolate.Doc = "The leader loses its peers, not its clients, then its life: it confirmed nothing alone, so nothing is lost with it."
	isolate.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.OneWay{From: faults.Side{Nodes: harness.Primary}, To: faults.Side{Nodes: harness.Replica}}),
		faults.At(3800*time.Millisecond, faults.Kill(harness.Primary)),
	}
	isolate.Duration = 9 * time.Second
	isolate.Promises = kill.Promises

	leaderAck := twin(isolate, "leader-isolate-kill-acks-leader",
		"Twin: acks=1. The leader confirms what nobody else has, and takes it along.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			hasty := system
			hasty.Acks = kafka.AcksLeader
			s.System = hasty
		})
	leaderAck.Profile = runner.Quick

	return []runner.Scenario{null, kill, isolate, leaderAck}
}
