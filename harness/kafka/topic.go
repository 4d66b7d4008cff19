package kafka

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hadrill/hadrill/harness"
)

// warmTopic is written to before the drill and by nobody after: one partition
// is led by each broker.
const warmTopic = "warm-up"

// topicRequest asks for the topics. min.insync.replicas is said here, not in
// the brokers' files, which newer Kafka does not look at for it.
func (c Cluster) topicRequest(controller int32) *kmsg.CreateTopicsRequest {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.SetVersion(7)
	request.TimeoutMillis = int32(createLimit.Milliseconds())
	order := []int32{controller%nodes + 1, (controller+1)%nodes + 1, controller}
	same, turned := make([][]int32, c.partitions()), make([][]int32, nodes)
	for p := range same {
		same[p] = order
	}
	for p := range turned {
		turned[p] = append(append([]int32{}, order[p:]...), order[:p]...)
	}
	settings := [][2]string{
		{"min.insync.replicas", strconv.Itoa(c.minInSync())},
		{"unclean.leader.election.enable", strconv.FormatBool(c.UncleanElection)},
	}
	if c.Retention == RetentionForever {
		settings = append(settings, [2]string{"retention.ms", "-1"})
	}
	request.Topics = []kmsg.CreateTopicsRequestTopic{
		assigned(warmTopic, turned, nil),
		assigned(topic, same, settings),
	}
	return request
}

// assigned is a topic whose partitions have their replicas on the given nodes,
// the first of which leads.
func assigned(name string, partitions [][]int32, settings [][2]string) kmsg.CreateTopicsRequestTopic {
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = name, -1, -1 // as assigned
	for p, replicas := range partitions {
		assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		assignment.Partition, assignment.Replicas = int32(p), replicas
		wanted.ReplicaAssignment = append(wanted.ReplicaAssignment, assignment)
	}
	for _, setting := range settings {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = setting[0], kmsg.StringPtr(setting[1])
		wanted.Configs = append(wanted.Configs, config)
	}
	return wanted
}

const (
	warmLimit  = 10 * time.Second
	warmRound  = 20                    // records at once to each broker
	warmEnough = 60 * time.Millisecond // a round that took less was quick
	warmQuick  = 8                     // quick rounds in a row that are enough
)

// warmUp writes through every broker until it is quick: what a Java process
// does for the first time takes it a hundred times as long as later, which
// would be seen as an outage at the beginning of every drill and as a longer
// one at each broker that takes over. It gives up after warmLimit: a slow
// machine is not an error here.
func (r *Running) warmUp(ctx context.Context, from harness.Vantage) error {
	library, err := kgo.NewClient(r.declared.options(r.seeds(), from)...)
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	defer library.Close()
	ctx, cancel := context.WithTimeout(ctx, warmLimit)
	defer cancel()
	for quick := 0; quick < warmQuick && ctx.Err() == nil; {
		began := time.Now()
		var round sync.WaitGroup
		for i := range warmRound * nodes {
			round.Add(1)
			library.Produce(ctx, &kgo.Record{Topic: warmTopic, Partition: int32(i % nodes), Value: encode(0, 0)},
				func(*kgo.Record, error) { round.Done() })
		}
		round.Wait()
		if quick++; time.Since(began) > warmEnough {
			quick = 0
		}
	}
	reader := r.newReader(from)
	defer reader.close()
	for p := range r.places {
		_ = reader.whole(ctx, int32(p), func(uint64, int64) {}) // empty; it is asked for to be quick later
	}
	return nil
}
