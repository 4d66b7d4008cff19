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

// kafkaSystem is acks=all, min.insync.replicas=2, unclean elections off,
// idempotent producers, and a session of 3 s instead of 9.
func kafkaSystem() kafka.Cluster {
	return kafka.Cluster{Acks: kafka.AcksAll, MinInSync: 2, SessionTimeout: 3 * time.Second, Heartbeat: 500 * time.Millisecond}
}

// kafkaBase is what the scenarios of the row have in common.
func kafkaBase() runner.Scenario {
	return runner.Scenario{
		Row:        "mq/kafka",
		Profile:    runner.Nightly,
		System:     kafkaSystem(),
		Load:       load.Queues{Rate: 100, Queues: 3, Consumers: 3, Clients: 16, Timeout: time.Second},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
		Weight:     runner.Exclusive, // three Java processes that start take both processors
	}
}

// kafkaSound is what acks=all with idempotent producers promises under any
// fault of one node: nothing confirmed is lost, doubled or overtaken.
func kafkaSound(more ...record.Objective) runner.Promises {
	return append(more, runner.NoLostWrites(), runner.NoFindings(check.NoDuplicates), runner.NoFindings(check.Ordered))
}

// mqKafka is row mq/kafka: three brokers that are controllers too, one topic
// on all of them. Whoever dies, nobody's writes go on until the active
// controller has ended the dead broker's session: a follower that is dead holds
// up whoever asks for all replicas just as long as a leader. Losing the node of
// the active controller costs most, as its successor gives every broker,
// the dead one too, a session from the beginning.
func mqKafka() []runner.Scenario {
	safe := kafkaBase()

	null := safe
	null.Name = "mq/kafka/null"
	null.Doc = "No fault: every message is confirmed by all replicas, and comes out once and in order."
	null.Duration = 4 * time.Second
	null.Promises = kafkaSound(runner.Availability(1, 0.999), runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond))

	kill := safe
	kill.Profile = runner.Quick
	kill.Name = "mq/kafka/leader-kill"
	kill.Doc = "The leader of all partitions is killed: when its session has ended another one leads, and nothing confirmed is lost, doubled or out of order."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Duration = 10 * time.Second
	kill.Promises = kafkaSound(runner.RTO(4500*time.Millisecond, 6*time.Second))

	follower := kill
	follower.Profile = runner.Nightly
	follower.Name = "mq/kafka/follower-kill"
	follower.Doc = "A follower is killed: it is in the in-sync set until its session has ended, and every confirmation waits for it as long."
	follower.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(kafka.Follower))}

	controller := follower
	controller.Name = "mq/kafka/controller-kill"
	controller.Doc = "The node of the active controller is killed: another is elected, gives every broker a new session, and only when the dead one's has ended are its confirmations no longer waited for."
	controller.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(kafka.Controller))}
	controller.Duration = 14 * time.Second
	controller.Promises = kafkaSound(runner.RTO(6500*time.Millisecond, 9*time.Second))

	comeback := follower
	comeback.Name = "mq/kafka/leader-kill-return"
	comeback.Doc = "The killed leader comes back under load: it cuts off what its successor has not, follows it, and is in sync again."
	comeback.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary)).Lasting(6 * time.Second)}
	comeback.Duration = 20 * time.Second
	comeback.Promises = kafkaSound(runner.RTO(4500*time.Millisecond, 6*time.Second), runner.Exposed(14*time.Second, 18*time.Second))

	pause := follower
	pause.Name = "mq/kafka/leader-pause"
	pause.Doc = "The leader freezes and thaws when another one leads: what it takes late it cannot get confirmed, and it follows."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Primary)).Lasting(7 * time.Second)}
	pause.Duration = 14 * time.Second

	partition := follower
	partition.Name = "mq/kafka/leader-partition"
	partition.Doc = "The leader and some clients are cut off from everything else: it confirms nothing to them, the others elect, and healed it follows."
	partition.Clients = []string{"minority"}
	partition.Load = load.Combine(
		load.Queues{Rate: 75, Queues: 3, Consumers: 3, Clients: 16, Timeout: time.Second},
		load.CutOff(load.Queues{Rate: 25, Queues: 3, Consumers: 1, Clients: 8, Timeout: time.Second, Zone: "minority"}),
	)
	partition.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{
			Left:  faults.Side{Nodes: harness.Primary, Clients: []string{"minority"}},
			Right: faults.Side{Nodes: harness.Except(harness.Primary)},
		}).Lasting(7 * time.Second),
	}
	partition.Duration = 14 * time.Second

	rolling := follower
	rolling.Name = "mq/kafka/rolling-restart"
	rolling.Doc = "Every node is asked to end and starts again, one after the other: each hands over what it leads before it goes. What is promised is a share of good operations: outages are short, but a broker that comes back is slow at first, which makes another."
	rolling.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Restart(harness.Named("kafka-1"))),
		faults.At(13*time.Second, faults.Restart(harness.Named("kafka-2"))),
		faults.At(24*time.Second, faults.Restart(harness.Named("kafka-3"))),
	}
	rolling.Duration = 35 * time.Second
	rolling.Promises = kafkaSound(runner.Availability(0.99, 0.95))

	return append(
		[]runner.Scenario{null, kill, follower, controller, comeback, pause, partition, rolling},
		kafkaTwins(kill, follower)...)
}

// kafkaTwins are the twins of settings that plain faults show, and the
// scenarios of faults that bite some settings alone, each with its twin.
func kafkaTwins(kill, follower runner.Scenario) []runner.Scenario {
	setting := func(change func(*kafka.Cluster)) func(*runner.Scenario) {
		return func(s *runner.Scenario) {
			wrong := s.System.(kafka.Cluster)
			change(&wrong)
			s.System = wrong
		}
	}
	peersToLeader := faults.Link{To: harness.Primary, From: faults.Side{Nodes: harness.Replica}, Proto: "tcp", Port: kafka.ReplicationPort}
	all := harness.Named("kafka-1", "kafka-2", "kafka-3")
	between := faults.Link{To: all, From: faults.Side{Nodes: all}}

	slow := twin(kill, "leader-kill-default-session",
		"Twin: broker.session.timeout.ms 9 s, the default. Nobody leads until it has passed.",
		runner.FailsOn("rto"),
		setting(func(c *kafka.Cluster) { c.SessionTimeout = 0 }))
	slow.Profile = runner.Nightly

	plain := twin(follower, "follower-kill-plain-producer",
		"Twin: a producer that is not idempotent. While the dead follower holds up confirmations it sends again what the leader has already.",
		runner.FailsOn("check."+check.NoDuplicates),
		setting(func(c *kafka.Cluster) { c.PlainProducer = true }))

	// The cut lies at the peers, so that it outlives the leader.
	isolate := kill
	isolate.Profile = runner.Nightly
	isolate.Name = "mq/kafka/leader-isolate-kill"
	isolate.Doc = "The leader loses its peers, not its clients, then its life: it confirmed nothing alone, so nothing is lost with it."
	isolate.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.OneWay{From: faults.Side{Nodes: harness.Primary}, To: faults.Side{Nodes: harness.Replica}}),
		faults.At(3800*time.Millisecond, faults.Kill(harness.Primary)),
	}

	hasty := twin(isolate, "leader-isolate-kill-acks-leader",
		"Twin: acks=1. The leader confirms what nobody else has, and takes it along.",
		runner.FailsOn("lost"),
		setting(func(c *kafka.Cluster) { c.Acks = kafka.AcksLeader }))
	hasty.Profile = runner.Quick

	// Only replication is cut: the leader lives, and takes the followers out of
	// the in-sync set when they are late by replica.lag.time.max.ms.
	cut := kill
	cut.Profile = runner.Nightly
	cut.Name = "mq/kafka/replication-cut-leader-kill"
	cut.Doc = "Followers cannot fetch any more, then the leader dies: it has confirmed nothing alone, and a follower that has all leads."
	late := kafkaSystem()
	late.ReplicaLagTimeMax = 1500 * time.Millisecond
	cut.System = late
	cut.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Blackhole(peersToLeader)),
		faults.At(6*time.Second, faults.Kill(harness.Primary)),
	}
	cut.Duration = 18 * time.Second
	cut.Promises = kafkaSound(runner.RTO(8500*time.Millisecond, 10500*time.Millisecond)) // four seconds are the cut

	alone := twin(cut, "replication-cut-leader-kill-min-insync-1",
		"Twin: min.insync.replicas=1, the default. The leader confirms alone; when it dies nobody may lead, since nobody has what it confirmed.",
		runner.FailsOn("rto"),
		setting(func(c *kafka.Cluster) { c.MinInSync = 1 }))

	// What the twin above cannot promise, and what it can.
	keeper := cut
	keeper.Name = "mq/kafka/replication-cut-leader-kill-return"
	keeper.Doc = "The same with min.insync.replicas=1 and clean elections: nobody leads until the leader is back, and it brings back all that it confirmed."
	keeper.System = alone.System
	keeper.Load = load.Sets{Rate: 100, Sets: 3, Clients: 16, Timeout: time.Second}
	keeper.Duration = 12 * time.Second
	keeper.Promises = runner.Promises{runner.NoLostWrites(), runner.NoFindings(check.NoDuplicates)}

	unclean := twin(keeper, "replication-cut-leader-kill-unclean",
		"Twin: unclean elections. A follower that is behind leads at once, and what the leader confirmed alone is cut off when it returns.",
		runner.FailsOn("lost"),
		setting(func(c *kafka.Cluster) { c.UncleanElection = true }))

	delay := kill
	delay.Profile = runner.Nightly
	delay.Name = "mq/kafka/latency"
	delay.Doc = "50 ms each way between all nodes: a confirmation takes two fetches of every follower, and nobody loses a session."
	delay.Load = load.Queues{Rate: 50, Queues: 3, Consumers: 3, Clients: 16, Timeout: time.Second}
	delay.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(between, 50*time.Millisecond))}
	delay.Promises = kafkaSound(runner.Availability(1, 0.97))

	loss := delay
	loss.Name = "mq/kafka/packet-loss"
	loss.Doc = "5 % of all packets between nodes are lost: confirmations wait for retransmissions, and nothing is lost."
	loss.Faults = faults.Schedule{faults.At(2*time.Second, faults.Loss(between, 0.05))}
	loss.Promises = kafkaSound(runner.Availability(0.97, 0.9))

	// A record is old by its leader's wall clock.
	jump := delay
	jump.Name = "mq/kafka/clock-jump"
	jump.Doc = "The leader's clock jumps eight days ahead: nothing that matters to a drill is timed by it, as records are kept for ever."
	forever := kafkaSystem()
	forever.Retention = kafka.RetentionForever
	jump.System = forever
	jump.Load = load.Sets{Rate: 100, Sets: 3, Clients: 16, Timeout: time.Second}
	jump.Faults = faults.Schedule{faults.At(2*time.Second, faults.ClockJump(harness.Primary, 8*24*time.Hour))}
	jump.Duration = 8 * time.Second
	jump.Promises = runner.Promises{runner.Availability(1, 0.97), runner.NoLostWrites(), runner.NoFindings(check.NoDuplicates)}

	expired := twin(jump, "clock-jump-default-retention",
		"Twin: retention.ms of seven days, the default: by the clock that jumped all records are older, and the leader deletes what it has just confirmed.",
		runner.FailsOn("lost"),
		setting(func(c *kafka.Cluster) { c.Retention = kafka.RetentionDefault }))

	return append(
		[]runner.Scenario{slow, plain, isolate, hasty, cut, alone, keeper, unclean, delay, loss, jump, expired},
		kafkaDisks(follower, keeper)...)
}

// kafkaSession prices broker.session.timeout.ms, nearly all of a failover.
func kafkaSession() runner.Sweep {
	kill := named(mqKafka(), "mq/kafka/leader-kill")
	return runner.SweepOver(kill, "broker.session.timeout.ms",
		"How much of a failover is the wait for a silent broker's session to end, and how much is election and reconnection.",
		[]time.Duration{1500 * time.Millisecond, 3 * time.Second, 6 * time.Second, 9 * time.Second},
		func(s *runner.Scenario, session time.Duration) {
			system := s.System.(kafka.Cluster)
			system.SessionTimeout = session
			s.System = system
			s.Duration = session + 7*time.Second
			s.Promises[0] = runner.RTO(session+1500*time.Millisecond, session+3*time.Second)
		})
}

// kafkaAcks prices acks: what waiting for all replicas costs when nothing fails.
func kafkaAcks() runner.Sweep {
	null := named(mqKafka(), "mq/kafka/null")
	choice := func(acks kafka.Acks) runner.Choice {
		return runner.Choice{Label: "acks=" + string(acks), Turn: func(s *runner.Scenario) {
			system := s.System.(kafka.Cluster)
			system.Acks = acks
			s.System = system
		}}
	}
	return runner.SweepOf(null, "acks",
		"What a confirmation by all in-sync replicas costs in latency against one by the leader alone.",
		choice(kafka.AcksLeader), choice(kafka.AcksAll))
}
