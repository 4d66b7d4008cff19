package kafka

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

func TestEveryNodeKnowsAllFromTheStart(t *testing.T) {
	c := Cluster{SessionTimeout: 3 * time.Second, Heartbeat: 500 * time.Millisecond, ReplicaLagTimeMax: 2 * time.Second}
	next := netip.MustParseAddr("10.213.0.10")
	members := c.plan(func(string) netip.Addr { next = next.Next(); return next })
	require.Equal(t, strings.TrimSpace(`
process.roles=broker,controller
node.id=2
controller.quorum.voters=1@10.213.0.11:9093,2@10.213.0.12:9093,3@10.213.0.13:9093
listeners=CLIENT://0.0.0.0:9092,REPLICATION://0.0.0.0:9094,CONTROLLER://0.0.0.0:9093
advertised.listeners=CLIENT://10.213.0.12:9092,REPLICATION://10.213.0.12:9094,CONTROLLER://10.213.0.12:9093
listener.security.protocol.map=CLIENT:PLAINTEXT,REPLICATION:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=REPLICATION
controller.listener.names=CONTROLLER
log.dirs=/data/kafka
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=2000
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
offsets.topic.num.partitions=3
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=1000
auto.create.topics.enable=false
controller.quorum.request.timeout.ms=1000`), strings.TrimSpace(c.config(members, 1)))
	plain := Cluster{}.config(members, 0)
	for _, key := range []string{"broker.session", "broker.heartbeat", "replica.lag", "quorum.fetch", "quorum.election"} {
		require.NotContains(t, plain, key, "what is not said is left to Kafka")
	}
	require.Equal(t, "version=1\ncluster.id=aGFkcmlsbC1rYWZrYS1kcg\nnode.id=2\ndirectory.id=aGFkcmlsbC1zdG9yYWdlMg\n", meta(2))
}

func TestTheTopicIsLedByOneBrokerBesideTheController(t *testing.T) {
	for controller, order := range map[int32][]int32{1: {2, 3, 1}, 2: {3, 1, 2}, 3: {1, 2, 3}} {
		topics := Cluster{Partitions: 2, MinInSync: 2, UncleanElection: true}.topicRequest(controller).Topics
		drill := topics[len(topics)-1]
		require.Equal(t, topic, drill.Topic)
		require.Len(t, drill.ReplicaAssignment, 2)
		for _, a := range drill.ReplicaAssignment {
			require.Equal(t, order, a.Replicas, "of controller %d", controller)
		}
		settings := map[string]string{}
		for _, s := range drill.Configs {
			settings[s.Name] = *s.Value
		}
		require.Equal(t, map[string]string{"min.insync.replicas": "2", "unclean.leader.election.enable": "true"}, settings)
		leaders := map[int32]bool{}
		for _, a := range topics[0].ReplicaAssignment {
			require.Len(t, a.Replicas, nodes)
			leaders[a.Replicas[0]] = true
		}
		require.Len(t, leaders, nodes, "every broker is warmed up")
	}
}

func TestADeclarationThatCannotBeMeantIsRefused(t *testing.T) {
	for name, c := range map[string]Cluster{
		"too many partitions":     {Partitions: 65},
		"acks nobody knows":       {Acks: "0"},
		"another retention":       {Retention: "an hour"},
		"more in sync than there": {MinInSync: 4},
		"microseconds":            {ReplicaLagTimeMax: time.Microsecond},
		"below zero":              {FetchTimeout: -time.Second},
		"a heartbeat a session":   {SessionTimeout: time.Second, Heartbeat: 700 * time.Millisecond},
		"as the default":          {SessionTimeout: 3 * time.Second},
	} {
		require.Error(t, c.check(), name)
	}
	require.NoError(t, Cluster{}.check())
	require.Equal(t, AcksAll, Cluster{}.acks())
	require.Equal(t, 3, Cluster{}.partitions())
	require.Equal(t, "b", Cluster{Zones: []string{"a", "b"}}.zone(1))
}

func TestTheNewestViewOfEachPartitionCounts(t *testing.T) {
	all, two, one := []int32{1, 2, 3}, []int32{2, 3}, []int32{1}
	silent := errors.New("silent")
	views := []view{
		{parts: []part{{1, 0, all}, {1, 4, one}}}, // cut off from the others, and alone in the second
		{parts: []part{{2, 1, two}, {1, 4, all}}},
		{parts: []part{{2, 1, all}}}, // has not heard of the second yet
	}
	require.Equal(t, []part{{2, 1, two}, {1, 4, one}}, newest(views, make([]error, 3)))
	require.Equal(t, []part{{2, 1, two}, {1, 4, all}}, newest(views, []error{silent, nil, nil}))
	require.Empty(t, newest(views, []error{silent, silent, silent}))
}

func TestALeaderIsAgreedOnByAllWhoAnswer(t *testing.T) {
	led := func(leader, epoch int32) view { return view{parts: []part{{leader, epoch, nil}}} }
	silent := errors.New("silent")
	for name, c := range map[string]struct {
		views []view
		errs  []error
		why   string
	}{
		"all":                    {[]view{led(2, 1), led(2, 1), led(2, 1)}, make([]error, 3), ""},
		"a dead one has no say":  {[]view{{}, led(2, 1), led(2, 1)}, []error{silent, nil, nil}, ""},
		"the old one believes":   {[]view{led(1, 0), led(2, 1), led(2, 1)}, make([]error, 3), "kafka-1 believes that kafka-1 leads partition 0 in epoch 0"},
		"the leader is silent":   {[]view{led(2, 1), {}, led(2, 1)}, []error{nil, silent, nil}, "kafka-2 leads partition 0 and does not answer: silent"},
		"nobody leads":           {[]view{led(-1, 1), led(-1, 1), led(-1, 1)}, make([]error, 3), "nobody leads partition 0"},
		"nobody answers":         {make([]view, 3), []error{silent, silent, silent}, "0 of 1 partitions are known"},
		"one knows no partition": {[]view{led(1, 0), {}, led(1, 0)}, make([]error, 3), "kafka-2 does not know partition 0"},
	} {
		why := agree(c.views, c.errs, 1)
		if c.why == "" {
			require.Empty(t, why, name)
			continue
		}
		require.Contains(t, why, c.why, name)
	}
}

func TestTheLogTellsWhoDeclaresWhat(t *testing.T) {
	r := &Running{}
	for text, want := range map[string]harness.Milestone{
		"Fencing broker 1 at epoch 11 because its session has timed out.":                                                                        {Declared: true, Keep: true},
		"Completed transition to ProspectiveState(epoch=1, leaderId=OptionalInt.empty) from FollowerState(fetchTimeoutMs=2000, epoch=1)":         {Declared: true, Keep: true},
		"Completed transition to ProspectiveState(epoch=0) from UnattachedState(epoch=0)":                                                        {Keep: true},
		"Becoming the active controller at epoch 2, next write offset 93.":                                                                       {Owner: true, Keep: true},
		"Leader drill-0 with topic id Some(vW1H) starts at leader epoch 1 from offset 135 with partition epoch 1, high watermark 134, ISR [2,3]": {Owner: true, Keep: true},
		"Follower drill-2 starts at leader epoch 1 from offset 134 with partition epoch 1 and high watermark 133. Current leader is 2.":          {Keep: true},
		"The request from broker 1 to unfence has been granted because it has caught up with the offset of its register broker record 61.":       {Keep: true},
		"Shrinking ISR from 1,2,3 to 1. Leader: (highWatermark: 135, endOffset: 140).":                                                           {Keep: true},
	} {
		got, ok := r.Milestone("any", fmt.Sprintf("[16:54:08.263] INFO [QuorumController id=3] %s (ReplicationControlManager)", text))
		require.True(t, ok, text)
		want.Text = text
		require.Equal(t, want, got)
	}
	for _, line := range []string{
		"[16:54:08.263] INFO [Broker id=1] Leader drill-0 with topic id Some(v) starts at leader epoch 0 from offset 0 (logger)", // where it began
		"[16:54:08.263] INFO [Broker id=1] Leader warm-up-0 with topic id Some(v) starts at leader epoch 3 from offset 0 (logger)",
		"[16:54:08.263] INFO Registered signal handlers for TERM, INT, HUP (LoggingSignalHandler)",
		"", "Fencing broker 1 because its session has timed out",
	} {
		_, ok := r.Milestone("any", line)
		require.False(t, ok, line)
	}
	long := "Completed transition to Leader(" + strings.Repeat("é", 300)
	got, ok := r.Milestone("any", "[16:54:08.263] INFO [RaftManager id=1] "+long+" (QuorumState)")
	require.True(t, ok)
	require.LessOrEqual(t, len(got.Text), maxMilestone+3)
}

func TestARecordSaysWhatItIs(t *testing.T) {
	key, value, err := decode(encode(1<<60+7, -5))
	require.NoError(t, err)
	require.Equal(t, uint64(1<<60+7), key)
	require.Equal(t, int64(-5), value)
	_, _, err = decode([]byte("someone else's"))
	require.Error(t, err)
}

func TestAPlaceGivesEachQueueItsOwnInOrder(t *testing.T) {
	p := newPlace()
	p.kept = []item{{1, 10}, {4, 40}, {1, 11}, {4, 41}}
	for _, want := range []item{{4, 40}, {1, 10}, {1, 11}, {4, 41}} {
		value, found := p.next(want.queue)
		require.True(t, found)
		require.Equal(t, want.value, value)
	}
	_, found := p.next(1)
	require.False(t, found)
}
