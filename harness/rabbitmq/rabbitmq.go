// Package rabbitmq starts a RabbitMQ cluster with a replicated queue and reads
// each node's own word on who leads it.
//
//	rabbit-1 ◀──Erlang distribution──▶ rabbit-2 ◀──▶ rabbit-3
//	 queue-0        Raft, one group      queue-0       queue-0
//	 (leader)       a queue              (follower)    (follower)
//	    ▲                                   ▲             ▲
//	    └────────── clients: any node; it passes on to the leader
//
// # Configuration, and why
//
// Queues are quorum queues: a message is confirmed once a majority has it on
// disk. The queues are declared at the first node, so that it leads them all at
// first. pause_minority is what RabbitMQ's documentation recommends for three
// nodes: a node that sees no majority stops serving, and joins again by itself.
// Nodes are named by their addresses, so that nothing has to be looked up. The
// configuration is written as Erlang terms, which every 4.x reads.
//
// Two settings decide how soon a silent node is given up, and both are long by
// default: the interval of Raft's failure detector, which replaces a leader, and
// net_ticktime (60 s), after which the node itself counts as gone. A node that
// died is known at once, because its connections are closed.
//
// Every node carries a witness (witness.erl, a page of Erlang that the node
// reads when it has started): one line asked, one line answered, from the
// node's own memory. RabbitMQ's own ways to ask start a second Erlang for a
// second, or wait for the leader, which is the one thing not to do when the
// leader is lost.
//
// # Clients
//
// The client is github.com/rabbitmq/amqp091-go without its recovery: one
// connection a virtual user, to one node, and to the next one after a failure.
// Producers wait for the confirm of each message and ask for unroutable ones
// back (mandatory), for RabbitMQ confirms those it drops. Consumers are pushed
// messages ahead (Prefetch) and acknowledge each one by hand when they take it.
//
// # What to expect
//
// Three nodes are ready after 11 to 14 s on two cores, with about 100 MB each:
// nearly all of it is Erlang loading code, three times over. A killed leader is
// replaced within 0.1 to 0.2 s, for its connections close and the others vote
// at once. A frozen or isolated one is replaced 1.1 to 1.5 s after it fell
// silent with DetectorPoll 500 ms; by default the detector looks every 5 s.
//
// With 50 ms each way between all nodes a confirm takes 204 ms in the median,
// two round trips: to the leader, and from it to a majority. One packet in
// twenty lost leaves 98 % of confirms within half a second. Restarting all nodes
// in turn costs 0.3 to 1.6 % of them, and none that was given.
//
// # What hadrill found
//
// pause_minority, the mode recommended for three nodes, does not repair what a
// freeze longer than net_ticktime leaves behind. The others have given the node
// up; thawed, it finds them alive and so is in no minority, and goes on. Its
// Mnesia has parted from theirs ("inconsistent_database") and stays so until
// somebody restarts the node, while the queue itself, which is Raft's, has long
// been whole again.
//
// autoheal does not do it either, not always: the winner waits for the loser to
// stop, but had given the loser's RabbitMQ up before and is not told again; the
// loser has stopped and waits for the winner. Two nodes of three went on, and
// the third was still away when the drill ended, 15 s later. When autoheal does
// end it may have restarted two nodes of three, and the queue has no majority
// for a few seconds.
//
// The default limit of 20 deliveries drops messages: one that consumers returned
// 21 times was gone, confirmed or not, as there is no dead-letter exchange
// unless somebody declares one.
//
// Asking a node for its queues is a transaction: with one node silent, the
// others did not answer for as long as net_ticktime. That is why the witness
// reads the tables.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const (
	clientPort  = 5672
	witnessPort = 5673
)

// QueueType says how a queue is kept. Closed.
type QueueType string

// The types of queue.
const (
	Quorum  QueueType = "quorum"  // replicated by Raft to every node
	Classic QueueType = "classic" // on one node alone
)

// PartitionHandling says what nodes do when their databases have gone separate
// ways (https://www.rabbitmq.com/docs/partitions#automatic-handling). Closed.
type PartitionHandling string

// The ways to handle a partition.
const (
	PauseMinority PartitionHandling = "pause_minority" // a node that sees no majority stops serving until it does
	AutoHeal      PartitionHandling = "autoheal"       // once it is over, all but the side with the most clients restart
	Ignore        PartitionHandling = "ignore"         // RabbitMQ's default: somebody will look after it
)

// NoDeliveryLimit lets a message be returned to its queue without end.
const NoDeliveryLimit = -1

// Cluster is a RabbitMQ cluster and how its clients behave. A zero value means
// RabbitMQ's own default unless it says otherwise.
type Cluster struct {
	Nodes  int       // at least 1; 3 survive the loss of one
	Queues int       // queues declared from the start, "queue-0" and on; default 1
	Type   QueueType // of the queues; default Quorum

	NetTick      time.Duration // net_ticktime, whole seconds: silence after which a node counts as gone; default 60 s
	DetectorPoll time.Duration // raft.adaptive_failure_detector.poll_interval
	// PartitionHandling is cluster_partition_handling, of what nodes know of
	// queues and users (their Mnesia database); default PauseMinority.
	PartitionHandling PartitionHandling

	// DeliveryLimit is x-delivery-limit: how often a message may come back to
	// its queue before it is dropped. Default 20; NoDeliveryLimit for none.
	DeliveryLimit int

	// NoConfirms makes producers count a message as confirmed once it is
	// written to the connection.
	NoConfirms bool
	// AutoAck makes a message count as acknowledged once it is sent to a
	// consumer.
	AutoAck bool
	// Prefetch is how many messages a consumer is sent ahead; default 20.
	Prefetch int
	// GiveBack is how often consumers return one message in sixteen to its
	// queue before they take it, as when what they need for it is away.
	GiveBack int
	// Heartbeat is the interval of the clients' heartbeats: a silent connection
	// is given up after two to three of them. Whole seconds; default 2 s.
	Heartbeat time.Duration

	// Zones places node i in Zones[i mod len]. Empty: one zone.
	Zones []string
}

// Name implements harness.System.
func (Cluster) Name() string { return "rabbitmq" }

var _ harness.System = Cluster{}

// check refuses what cannot be meant.
func (c Cluster) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(c.Nodes < 1, "Nodes: want at least 1")
	refuse(c.Queues < 0, "Queues: want none below zero")
	refuse(c.Type != "" && c.Type != Quorum && c.Type != Classic, "Type: want quorum or classic")
	refuse(!slices.Contains([]PartitionHandling{"", PauseMinority, AutoHeal, Ignore}, c.PartitionHandling), "PartitionHandling: want pause_minority, autoheal or ignore")
	refuse(c.NetTick < 0 || c.NetTick%time.Second != 0, "NetTick: want whole seconds, none below zero")
	refuse(c.DetectorPoll < 0 || c.DetectorPoll%time.Millisecond != 0, "DetectorPoll: want whole milliseconds, none below zero")
	refuse(c.DeliveryLimit < NoDeliveryLimit, "DeliveryLimit: want NoDeliveryLimit, 0 for the default, or more")
	refuse(c.DeliveryLimit != 0 && c.kind() == Classic, "DeliveryLimit: classic queues have none")
	refuse(c.GiveBack < 0, "GiveBack: want none below zero")
	refuse(c.GiveBack > 0 && (c.AutoAck || c.kind() == Classic), "GiveBack: wants messages to be acknowledged, and a queue that counts")
	refuse(c.Prefetch < 0 || c.Prefetch > 1000, "Prefetch: want 0..1000")
	refuse(c.Heartbeat < 0 || c.Heartbeat%time.Second != 0, "Heartbeat: want whole seconds, none below zero")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("rabbitmq.Cluster: %w", err)
	}
	return nil
}

func (c Cluster) queues() int              { return or(c.Queues, 1) }
func (c Cluster) kind() QueueType          { return or(c.Type, Quorum) }
func (c Cluster) prefetch() int            { return or(c.Prefetch, 20) }
func (c Cluster) heartbeat() time.Duration { return or(c.Heartbeat, 2*time.Second) }

func or[T comparable](value, otherwise T) T {
	var zero T
	if value != zero {
		return value
	}
	return otherwise
}

func (c Cluster) zone(i int) string {
	if len(c.Zones) == 0 {
		return ""
	}
	return c.Zones[i%len(c.Zones)]
}

// member is one node before it starts.
type member struct {
	name string
	addr netip.Addr
}

func (c Cluster) plan(reserve func(name string) netip.Addr) []member {
	members := make([]member, c.Nodes)
	for i := range members {
		name := fmt.Sprintf("rabbit-%d", i+1)
		members[i] = member{name, reserve(name)}
	}
	return members
}

// Start implements harness.System. The queues are there when it returns.
func (c Cluster) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	r, err := c.StartCluster(ctx, env)
	if err != nil {
		return nil, err // not an interface around nothing
	}
	return r, nil
}

// StartCluster is Start for systems that are built on a RabbitMQ cluster.
func (c Cluster) StartCluster(ctx context.Context, env *harness.Env) (*Running, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	members := c.plan(env.Reserve)
	var specs []harness.NodeSpec
	for i, m := range members {
		specs = append(specs, harness.NodeSpec{
			Name: m.name, Component: "rabbitmq", Zone: c.zone(i), NoFile: fileLimit,
			Command: []string{"sh", startPath},
			Env:     c.environment(members, i),
			Files:   c.files(members),
			Ready: func(ctx context.Context, n *harness.Node) error {
				a := newAsker(env.Data(), n.Addr())
				defer a.close()
				v, err := a.view(ctx)
				if err == nil && (!v.Serves || len(v.Peers) != c.Nodes-1) {
					err = fmt.Errorf("%s serves: %t, and shares its database with %d of %d others", n.Name(), v.Serves, len(v.Peers), c.Nodes-1)
				}
				return err
			},
		})
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	r := newRunning(c, env, nodes)
	if err := r.declareAll(ctx, env.Data()); err != nil {
		return nil, errors.Join(err, r.Stop(ctx))
	}
	return r, nil
}
