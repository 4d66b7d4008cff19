package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/rabbitmq"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// rabbitMQ is row mq/rabbitmq: three nodes and a quorum queue, publisher
// confirms, acknowledgements by hand. A confirmed message is on the disks of a
// majority and stays in the queue until a consumer says that it is done: so
// nothing confirmed is ever lost. It may come out twice, which is legal.
//
// Four settings, each wrong by itself: not to wait for confirms; to acknowledge
// before a message is processed; a classic queue, which lives on one node; the
// default limit of deliveries, behind which nothing catches what is dropped. And
// what a long freeze leaves behind no setting heals.
func rabbitMQ() []runner.Scenario {
	system := rabbitmq.Cluster{Nodes: 3, NetTick: 5 * time.Second, DetectorPoll: 500 * time.Millisecond}
	safe := runner.Scenario{
		Row:        "mq/rabbitmq",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.Queues{Rate: 200, Queues: 1, Consumers: 4, Clients: 16},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
	}

	null := safe
	null.Name = "mq/rabbitmq/null"
	null.Doc = "No fault: every message is confirmed and comes out."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.Availability(1, 0.999), runner.NoLostWrites(), runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}

	kill := safe
	kill.Profile = runner.Quick
	kill.Name = "mq/rabbitmq/leader-kill"
	kill.Doc = "The node that leads the queue is killed: another member leads, and no confirmed message is lost."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Duration = 7 * time.Second
	kill.Promises = runner.Promises{runner.RTO(time.Second, 3*time.Second), runner.NoLostWrites()}

	comeback := kill
	comeback.Profile = runner.Nightly
	comeback.Name = "mq/rabbitmq/leader-kill-return"
	comeback.Doc = "The killed leader comes back under load: it follows its successor, catches up, and clients do not notice its return."
	comeback.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary)).Lasting(4 * time.Second)}
	comeback.Duration = 18 * time.Second
	comeback.Promises = append(runner.Promises{runner.Exposed(12*time.Second, 20*time.Second)}, kill.Promises...)

	// Shorter than net_ticktime: the others take another leader, but nobody is
	// given up as a node.
	pause := safe
	pause.Name = "mq/rabbitmq/leader-pause"
	pause.Doc = "The node that leads the queue freezes for a moment: another member leads; thawed, the old leader follows and nothing is lost."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Primary)).Lasting(3 * time.Second)}
	pause.Duration = 10 * time.Second
	pause.Promises = runner.Promises{runner.RTO(3*time.Second, 6*time.Second), runner.NoLostWrites()}

	// Longer than net_ticktime: thawed, the node meets others that have given
	// it up, and the databases have gone separate ways. autoheal is made for
	// that, and cannot be promised: it restarts nodes, and waits for ever when
	// the one that it waits for had been given up before.
	long := safe
	long.Name = "mq/rabbitmq/leader-pause-long"
	long.Doc = "The leader freezes until the others have given the node up; thawed, its database has parted from theirs, until whoever looks after it restarts it. Nothing is lost."
	frozen := faults.At(2*time.Second, faults.Pause(harness.Primary)).Lasting(9 * time.Second).Named("frozen")
	long.Faults = faults.Schedule{frozen, faults.AfterHealed("frozen", 2*time.Second, faults.Restart(harness.Named("rabbit-1")))}
	long.Duration = 30 * time.Second
	long.Promises = runner.Promises{runner.Exposed(20*time.Second, 25*time.Second), runner.NoLostWrites()}

	follower := safe
	follower.Name = "mq/rabbitmq/follower-kill"
	follower.Doc = "A node that follows is killed: its clients go on elsewhere at once, nobody else notices."
	follower.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Random(1, harness.Replica)))}
	follower.Duration = 7 * time.Second
	follower.Promises = runner.Promises{runner.RTO(500*time.Millisecond, 2*time.Second), runner.NoLostWrites()}

	// The minority's clients reach the old leader alone. Their outage is
	// declared; what is confirmed to them must be kept all the same.
	partition := safe
	partition.Name = "mq/rabbitmq/leader-partition"
	partition.Doc = "The node that leads the queue and some clients are cut off from everything else: the others elect a leader, the cut-off side confirms nothing, and healed it joins again."
	partition.Clients = []string{"majority", "minority"}
	partition.Load = load.Queues{Rate: 200, Queues: 1, Consumers: 4, Clients: 16, Zones: []string{"majority", "minority"}}
	partition.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Nodes: harness.Primary, Clients: []string{"minority"}},
			Right: faults.Side{Nodes: harness.Except(harness.Primary), Clients: []string{"majority"}},
		}).Lasting(9 * time.Second),
	}
	partition.Duration = 20 * time.Second
	partition.Promises = runner.Promises{
		runner.NoLostWrites(),
		on("queues@majority", record.Objective{Name: "outage", Kind: record.KindRTO, Unit: "s", Target: 3, Limit: 6}),
	}

	// The leader hears everybody and nobody hears it. What it took meanwhile it
	// could replicate to nobody, and it dies with it. The cut lies at the other
	// nodes, so that it outlives the leader.
	isolated := safe
	isolated.Name = "mq/rabbitmq/leader-isolated-kill"
	isolated.Doc = "The leader's packets do not reach the other nodes any more, then it is killed: it has confirmed nothing meanwhile, so nothing confirmed is lost."
	isolated.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.OneWay{From: faults.Side{Nodes: harness.Primary}, To: faults.Side{Nodes: harness.Replica}}),
		faults.At(4*time.Second, faults.Kill(harness.Named("rabbit-1"))),
	}
	isolated.Duration = 10 * time.Second
	isolated.Promises = runner.Promises{runner.RTO(4*time.Second, 6*time.Second), runner.NoLostWrites()}

	consumers := safe
	consumers.Name = "mq/rabbitmq/consumers-cut"
	consumers.Doc = "Half of the clients lose their network: what their consumers had been sent comes back to the queue, and somebody else gets it."
	consumers.Clients = []string{"stays", "cut"}
	consumers.Load = load.Queues{Rate: 200, Queues: 1, Consumers: 4, Clients: 16, Zones: []string{"stays", "cut"}}
	consumers.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Clients: []string{"cut"}},
			Right: faults.Side{Nodes: harness.Named("rabbit-1", "rabbit-2", "rabbit-3")},
		}).Lasting(6 * time.Second),
	}
	consumers.Duration = 11 * time.Second
	consumers.System = quickHeartbeat(system)
	consumers.Promises = runner.Promises{
		runner.NoLostWrites(),
		on("queues@stays", record.Objective{Name: "outage", Kind: record.KindRTO, Unit: "s", Target: 0.5, Limit: 2}),
	}

	classic := twin(kill, "leader-kill-classic",
		"Twin: a classic queue lives on one node. With that node it is gone, for as long as the node is.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) {
			alone := system
			alone.Type = rabbitmq.Classic
			s.System = alone
		})

	unconfirmed := twin(isolated, "leader-isolated-kill-no-confirms",
		"Twin: producers do not wait for confirms. All that the isolated leader took from them is gone.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			blind := system
			blind.NoConfirms = true
			s.System = blind
		})

	automatic := twin(consumers, "consumers-cut-auto-ack",
		"Twin: messages count as acknowledged when they are sent. What was on its way to the consumers that are cut off is in no queue any more.",
		runner.FailsOn("lost"),
		func(s *runner.Scenario) {
			eager := quickHeartbeat(system)
			eager.AutoAck = true
			s.System = eager
		})

	unhealed := twin(long, "leader-pause-long-pause-minority",
		"Twin: nobody restarts the node; pause_minority, the mode that is recommended for three nodes, is trusted to see to it. It acts when a node loses the others, not when a thawed node finds that they have lost it.",
		runner.FailsOn("exposed"),
		func(s *runner.Scenario) {
			s.Faults = faults.Schedule{frozen}
		})

	return append([]runner.Scenario{
		null, kill, comeback, pause, long, follower, partition, isolated, consumers,
		classic, unconfirmed, automatic, unhealed,
	}, rabbitMQVariants(safe)...)
}

// quickHeartbeat has clients and nodes notice a silent connection within 2 to 3 s.
func quickHeartbeat(c rabbitmq.Cluster) rabbitmq.Cluster {
	c.Heartbeat = time.Second
	return c
}
