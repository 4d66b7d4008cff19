package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topic is the one topic of a Cluster.
const topic = "drill"

// view is what one node knows of the cluster, from its own copy of the
// metadata log: a node that is cut off answers with what it last heard.
type view struct {
	brokers []int32 // that are not fenced
	parts   []part  // of the topic, by number; empty while it is unknown
}

// part is a view of one partition.
type part struct {
	leader int32 // none: below zero
	epoch  int32 // of the leader; grows with every election
	isr    []int32
}

// askView asks a broker for its view, at its clients' port.
func askView(ctx context.Context, a *asker) (v view, err error) {
	question := kmsg.NewPtrMetadataRequest()
	question.SetVersion(12)
	wanted := kmsg.NewMetadataRequestTopic()
	wanted.Topic = kmsg.StringPtr(topic)
	question.Topics = []kmsg.MetadataRequestTopic{wanted}
	answer, err := a.ask(ctx, question)
	if err != nil {
		return v, err
	}
	metadata := answer.(*kmsg.MetadataResponse)
	for _, b := range metadata.Brokers {
		v.brokers = append(v.brokers, b.NodeID)
	}
	slices.Sort(v.brokers)
	for _, t := range metadata.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		switch {
		case err == kerr.UnknownTopicOrPartition:
			continue
		case err != nil:
			return v, fmt.Errorf("ask %s for topic %s: %w", a.addr, topic, err)
		}
		v.parts = make([]part, len(t.Partitions))
		for i := range v.parts {
			v.parts[i].leader = -1
		}
		for _, p := range t.Partitions {
			if p.Partition < 0 || int(p.Partition) >= len(v.parts) {
				return v, fmt.Errorf("ask %s for topic %s: it has %d partitions, one numbered %d", a.addr, topic, len(v.parts), p.Partition)
			}
			v.parts[p.Partition] = part{p.Leader, p.LeaderEpoch, p.ISR}
		}
	}
	return v, nil
}

// askController asks a node, at its controllers' port, which one is active by
// its own knowledge; below zero when it knows of none.
func askController(ctx context.Context, a *asker) (int32, error) {
	question := kmsg.NewPtrDescribeClusterRequest()
	question.SetVersion(1)
	question.EndpointType = 2 // controllers
	answer, err := a.ask(ctx, question)
	if err != nil {
		return -1, err
	}
	described := answer.(*kmsg.DescribeClusterResponse)
	if err := kerr.ErrorForCode(described.ErrorCode); err != nil {
		return -1, fmt.Errorf("ask %s for the active controller: %w", a.addr, err)
	}
	return described.ControllerID, nil
}

// newest puts the newest of all nodes' knowledge of each partition together.
// Of one epoch, the smaller in-sync set is the one not yet heard of elsewhere,
// or the one that only a node which is cut off still misses.
func newest(views []view, errs []error) []part {
	var out []part
	for i, v := range views {
		if errs[i] != nil {
			continue
		}
		for k, p := range v.parts {
			switch {
			case k >= len(out):
				out = append(out, p)
			case p.epoch > out[k].epoch, p.epoch == out[k].epoch && len(p.isr) < len(out[k].isr):
				out[k] = p
			}
		}
	}
	return out
}

// agree tells why the nodes that answered do not name one leader, in one
// epoch, for each partition; "" when they do.
func agree(views []view, errs []error, partitions int) (why string) {
	parts := newest(views, errs)
	if len(parts) < partitions {
		return fmt.Sprintf("%d of %d partitions are known", len(parts), partitions)
	}
	for k, want := range parts {
		if want.leader < 0 {
			return fmt.Sprintf("nobody leads partition %d", k)
		}
		for i, v := range views {
			switch {
			case errs[i] != nil && want.leader == nodeID(i):
				return fmt.Sprintf("%s leads partition %d and does not answer: %v", nodeName(want.leader), k, errs[i])
			case errs[i] != nil:
			case k >= len(v.parts):
				return fmt.Sprintf("%s does not know partition %d", nodeName(nodeID(i)), k)
			case v.parts[k].leader != want.leader || v.parts[k].epoch != want.epoch:
				return fmt.Sprintf("%s believes that %s leads partition %d in epoch %d, another that %s does in epoch %d",
					nodeName(nodeID(i)), nodeName(v.parts[k].leader), k, v.parts[k].epoch, nodeName(want.leader), want.epoch)
			}
		}
	}
	return ""
}

// nodeID is the id of the i-th node, nodeName the name of a node by its id.
func nodeID(i int) int32 { return int32(i + 1) }

func nodeName(id int32) string {
	if id < 1 {
		return ""
	}
	return fmt.Sprintf("kafka-%d", id)
}
