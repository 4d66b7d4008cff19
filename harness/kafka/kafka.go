// Package kafka starts Apache Kafka, three nodes with KRaft, and reads each
// node's own word on who leads what.
//
//	         kafka-1            kafka-2            kafka-3
//	:9093  controller ◀─Raft─▶ controller* ◀─Raft─▶ controller     *active: who is alive, who leads
//	          ▲ heartbeats        ▲                   ▲
//	:9094  broker ◀──fetches── broker ◀──fetches── broker          the topic's partitions: one leader,
//	          ▲                                                    two followers, the same for all of them
//	:9092     └── producers, consumers (franz-go)
//
// Every node is broker and controller, each part in the same process. One
// topic; all its partitions have their replicas on the same nodes in the same
// order, so that one broker leads them all and another one takes them all over,
// and "kill the leader" means one thing. The first leader is chosen beside the
// active controller: losing the one is another failure than losing the other,
// and each has a scenario.
//
// # What is promised, by which settings
//
// A producer that asks for acks=all is answered when every replica in the
// in-sync set (ISR) has the record. min.insync.replicas=2 keeps that set from
// shrinking to the leader alone while writes are taken; with unclean elections
// off only a member of the set can lead. Then an acknowledged record survives
// any one node. Kafka does not sync to disk before it answers: the promise
// holds by replication, not by a disk. The producer is idempotent: it numbers
// its records, and a leader, old or new, drops what it has already.
//
// Fetches, heartbeats and clients have a listener each, as in production
// networks, so that each can be broken alone: with replication cut, a leader
// shrinks its ISR and lives; a broker cut off from the active controller is
// fenced and does not know it.
//
// # What to expect
//
// The active controller declares a broker dead when it has had no heartbeat
// from it for broker.session.timeout.ms (9 s by default), also when its
// connection was closed. Until then nobody leads its partitions; and until
// then, or until replica.lag.time.max.ms when it is only behind, a dead
// follower holds up every write that asks for all of the ISR. That one setting
// is nearly all of the time to recover. Losing the active controller costs
// controller.quorum.fetch.timeout.ms (2 s) and an election, during which the
// data goes on flowing. The new controller gives every broker a new session:
// losing controller and leader in one node costs the sum.
//
// # What hadrill found
//
// On two busy processors, session 3 s: losing the leader cost 2.9 s (2.87 to
// 3.94 s, n=6), of which all but 0.4 s passed until its session had ended: the
// last heartbeat was up to half a second old. Losing a follower cost 2.7 s, as every
// confirmation waits for it as long. Losing the active controller cost 4.9 s:
// 1.8 s until another stood for election, 0.2 s to elect it, 2.9 s for the
// session that it gave the dead broker anew.
//
// A dead follower makes a producer that is not idempotent double its records
// (48 of 800): the leader has them, cannot get them confirmed in the request's
// time, and is sent them again. With acks=1 a leader cut off from its peers
// confirmed for as long as it lived, and all of it was lost (about 180 of 950). With
// min.insync.replicas=1 and unclean elections the same came of cutting
// replication alone (275 of 808); with clean ones nobody led until the leader
// was back, and nothing was lost.
//
// A leader that loses power forgets nearly all, since nothing is synced, and
// nobody misses it: another one led after 3.9 s, and the old one, back, was given
// everything again. The last in-sync replica has nobody to give it: with
// min.insync.replicas=1 it came back without 561 records that it had confirmed
// alone, and led again; with 2 it had confirmed none. A leader whose disk is full
// ends itself within milliseconds, as its only log directory has failed; the
// others wait for its session as for any dead broker's (4.0 s in all).
//
// A leader whose clock jumps eight days ahead deletes what it has just
// confirmed (744 of 800), its followers follow, and every client sees success
// all the while: retention.ms is seven days by default, and the age of a
// segment is the broker's wall clock less the newest record's time stamp.
//
// Sessions of 1.5, 3, 6 and 9 s made an outage of 2.2, 3.4, 7.7 and 10.1 s, one
// run each: the session, and half a second. A confirmation by all replicas took
// 8.6 ms in the median where one by the leader alone took 4.4 ms.
//
// Three nodes are settled in 6.1 s (5.7 to 6.7 s, n=5) and hold 175 MiB
// each at most. A Java process is slow at whatever it does for the first time, which
// would be seen as an outage in the beginning of every drill: so each broker
// leads a partition of a topic that is written to before, and each producer
// writes a record that no reader sees when it connects.
//
// # The client
//
// One virtual user is one franz-go client with a producer of its own. It keeps
// asking within the operation's deadline and not beyond: delivery.timeout.ms,
// which is 120 s by default and hides outages, is the operation's deadline.
// An operation without an answer in time stays unknown. The reader keeps its
// place itself, as Kafka's documentation calls "storing offsets outside
// Kafka": what comes out twice is in the log twice. It reads committed
// records, from the leader, up to the last stable offset, without gaps.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// nodes is the size of the cluster. Fewer survive nothing; more would be
// another machine.
const nodes = 3

// Acks is how many replicas must have a record before it is acknowledged.
type Acks string

// The values of acks. Without any acknowledgement there is nothing to verify.
const (
	AcksAll    Acks = "all" // the whole in-sync set
	AcksLeader Acks = "1"   // the leader alone; such a producer cannot be idempotent
)

// Retention says how long records are kept.
type Retention string

// The values of retention.
const (
	RetentionDefault Retention = "" // 7 days
	RetentionForever Retention = "forever"
)

// Cluster is a Kafka cluster of three nodes with one topic. A zero duration
// means Kafka's own default.
type Cluster struct {
	Partitions int  // of the topic; default 3
	Acks       Acks // default AcksAll

	MinInSync       int  // min.insync.replicas; default 1, as Kafka's
	UncleanElection bool // unclean.leader.election.enable: a replica that is behind may lead

	// Retention is retention.ms: when a record is old enough to be deleted, by
	// its leader's wall clock; default 7 days.
	Retention Retention

	SessionTimeout    time.Duration // broker.session.timeout.ms; default 9 s
	Heartbeat         time.Duration // broker.heartbeat.interval.ms; default 2 s
	ReplicaLagTimeMax time.Duration // replica.lag.time.max.ms; default 30 s
	FetchTimeout      time.Duration // controller.quorum.fetch.timeout.ms; default 2 s
	ElectionTimeout   time.Duration // controller.quorum.election.timeout.ms; default 1 s

	// PlainProducer turns enable.idempotence off: what is sent again because no
	// answer came is written again.
	PlainProducer bool

	// Disks gives each node a disk of its own, to be filled or to lose its
	// power: what is not synced there is lost with it.
	Disks bool

	// Zones places node i in Zones[i mod len]. Empty: one zone.
	Zones []string
}

// Name implements harness.System.
func (Cluster) Name() string { return "kafka" }

var _ harness.System = Cluster{}

func (c Cluster) partitions() int {
	if c.Partitions > 0 {
		return c.Partitions
	}
	return 3
}

func (c Cluster) acks() Acks {
	if c.Acks == "" {
		return AcksAll
	}
	return c.Acks
}

func (c Cluster) minInSync() int { return max(c.MinInSync, 1) }

func (c Cluster) zone(i int) string {
	if len(c.Zones) == 0 {
		return ""
	}
	return c.Zones[i%len(c.Zones)]
}

// check refuses what cannot be meant.
func (c Cluster) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(c.Partitions < 0 || c.Partitions > 64, "Partitions: want 0 (3) up to 64")
	refuse(c.acks() != AcksAll && c.acks() != AcksLeader, `Acks: want "all" or "1"`)
	refuse(c.Retention != RetentionDefault && c.Retention != RetentionForever, `Retention: want "" (7 days) or "forever"`)
	refuse(c.MinInSync < 0 || c.MinInSync > nodes, "MinInSync: want 0 (1) up to 3, the number of replicas")
	for _, d := range []time.Duration{c.SessionTimeout, c.Heartbeat, c.ReplicaLagTimeMax, c.FetchTimeout, c.ElectionTimeout} {
		refuse(d < 0 || d%time.Millisecond != 0, "durations: want whole milliseconds, none below zero")
	}
	session, heartbeat := or(c.SessionTimeout, 9*time.Second), or(c.Heartbeat, 2*time.Second)
	refuse(session < 2*heartbeat, "SessionTimeout: want at least two heartbeats, or one late one ends a session")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("kafka.Cluster: %w", err)
	}
	return nil
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Start implements harness.System: the nodes, the topics, and work enough for
// every node to be as quick as it will be.
func (c Cluster) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	members := c.plan(env.Reserve)
	var specs []harness.NodeSpec
	for i, m := range members {
		specs = append(specs, harness.NodeSpec{
			Name: m.name, Component: "kafka", Zone: c.zone(i),
			Command: []string{startFile, m.name},
			Files:   c.files(members, i),
			Disks:   c.volumes(),
			Ready: func(ctx context.Context, n *harness.Node) error {
				a := newAsker(env.Data(), n.Addr(), clientPort)
				defer a.close()
				_, err := askView(ctx, a)
				return err
			},
		})
	}
	started, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	r := newRunning(c, env, started)
	err = r.createTopics(ctx)
	if err == nil {
		err = r.warmUp(ctx, env.Data())
	}
	if err != nil {
		return nil, errors.Join(err, r.Stop(ctx))
	}
	return r, nil
}
