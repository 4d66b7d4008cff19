package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/rabbitmq"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
)

// rabbitMQVariants are the scenarios of row mq/rabbitmq in which nothing dies
// for good: a long way, a bad wire, upkeep.
func rabbitMQVariants(safe runner.Scenario) []runner.Scenario {
	nodes := harness.Named("rabbit-1", "rabbit-2", "rabbit-3")
	links := faults.Link{To: nodes, From: faults.Side{Nodes: nodes}}
	far := safe
	far.Name = "mq/rabbitmq/latency"
	far.Doc = "50 ms between all nodes, as between regions: every confirm waits for a round trip or two, none is missing."
	far.Load = load.Queues{Rate: 100, Queues: 1, Consumers: 16, Clients: 64}
	far.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(links, 50*time.Millisecond)).Lasting(5 * time.Second)}
	far.Duration = 9 * time.Second
	far.Promises = runner.Promises{runner.Availability(1, 0.98), runner.NoLostWrites()}

	loss := far
	loss.Name = "mq/rabbitmq/packet-loss"
	loss.Doc = "One packet in twenty between the nodes is lost: confirms wait for retransmissions, none is missing."
	loss.Faults = faults.Schedule{faults.At(2*time.Second, faults.Loss(links, 0.05)).Lasting(5 * time.Second)}
	loss.Promises = runner.Promises{runner.Availability(0.98, 0.85), runner.NoLostWrites()}

	ready := func(node string) faults.Match {
		return faults.Match{Kind: faults.EventLog, Node: node, Text: "Server startup complete"}
	}
	rolling := safe
	rolling.Name = "mq/rabbitmq/rolling-restart"
	rolling.Doc = "Every node is restarted in turn, the leader last: no confirmed message is lost, and all but the stopped node's clients go on."
	rolling.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Restart(harness.Named("rabbit-2"))),
		faults.On(ready("rabbit-2"), faults.Restart(harness.Named("rabbit-3"))).Delayed(2 * time.Second),
		faults.On(ready("rabbit-3"), faults.Restart(harness.Named("rabbit-1"))).Delayed(2 * time.Second),
	}
	rolling.Duration = 50 * time.Second
	rolling.Promises = runner.Promises{runner.Availability(0.995, 0.95), runner.NoLostWrites()}

	// Consumers return one message in sixteen 25 times before they take it.
	patient := safe.System.(rabbitmq.Cluster)
	patient.GiveBack, patient.DeliveryLimit = 25, rabbitmq.NoDeliveryLimit
	returns := safe
	returns.Name = "mq/rabbitmq/given-back"
	returns.Doc = "No fault but consumers that return messages again and again, as when what they need for them is away: with no limit of deliveries every message comes out in the end."
	returns.System = patient
	returns.Load = load.Queues{Rate: 100, Queues: 1, Consumers: 4, Clients: 16}
	returns.Duration = 6 * time.Second
	returns.Promises = runner.Promises{runner.Availability(1, 0.99), runner.NoLostWrites()}

	limited := twin(returns, "given-back-default-limit",
		"Twin: the default limit of 20 deliveries, and no dead-letter exchange. What came back more often is dropped, confirmed or not.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			strict := patient
			strict.DeliveryLimit = 0
			s.System = strict
		})

	return []runner.Scenario{far, loss, rolling, returns, limited}
}
