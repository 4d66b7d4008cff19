package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// Cluster is Redis Cluster: the 16384 slots of the key space dealt out to
// shards, each a primary with replicas; the primaries themselves vote.
//
//	          slots 0..5460       5461..10922        10923..16383
//	shard        1                    2                    3
//	          redis-1              redis-2              redis-3      primaries: serve, vote
//	             │  replication       │                    │
//	          redis-4              redis-5              redis-6      replicas: stand by
//	             └──────── every node gossips with every node ───────┘
//
// A primary that does not answer for NodeTimeout is suspected by each node, and
// failed once a majority of primaries suspects it; its replica then waits 0.5 s
// and a random part of another half second, asks the primaries for their votes
// and takes the slots over. So a failover takes about NodeTimeout + 0.5..1.2 s.
//
// The cluster is formed before its nodes start: each finds the whole map in its
// own nodes.conf, as after a restart. That leaves Redis' own delay of 2 s before
// a restarted primary accepts writes.
//
// A zero duration or count means Redis' own default, except where said
// otherwise. Redis acknowledges before any replica has a write; a primary that
// is cut off acknowledges for up to NodeTimeout more. The specification promises
// no more than that (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/,
// "Write safety"): state the promise in seconds.
//
// What hadrill found: the client decides the outage as much as the cluster.
//   - go-redis reloads the map of slots when a node redirects it, and every 60 s
//     otherwise. A dead primary redirects nobody, so its clients go on dialling
//     it until the next reload: with the default, the shard was still down 18 s
//     after its replica had taken over. See Refresh.
//   - It reloads the map from a node picked at random. A primary that is cut off
//     from the others, but not from the clients, serves nobody after NodeTimeout
//     and yet names itself the owner in its map: with six nodes, one reload in
//     six leads back to it, and the shard failed more than one request in a
//     hundred until the partition healed.
//   - A primary that keeps nothing on disk and is restarted sooner than it is
//     missed comes back empty, as owner of its slots, and its replica copies
//     that. See AppendFsync.
type Cluster struct {
	// Replicas is how many replicas each shard has; its length is the number of
	// shards, at least 3, so that a majority of primaries can lose one.
	Replicas []int

	NodeTimeout time.Duration // cluster-node-timeout; Redis' default is 15 s

	// PartialCoverage lets the other slots serve while some have no owner:
	// cluster-require-full-coverage no. Redis' default is that none serves.
	PartialCoverage bool

	MinReplicasToWrite int           // min-replicas-to-write; default 0: off
	MinReplicasMaxLag  time.Duration // min-replicas-max-lag, whole seconds; default 10 s

	// AppendFsync turns the append-only file on: "always", "everysec" or "no".
	// Empty: nothing is kept on disk but the map of the cluster.
	AppendFsync string

	// Disks gives each node a disk of its own for its append-only file, for
	// faults of disks: what is not synced there is lost with the power. The map
	// of the cluster is not on it; Redis syncs it by itself whenever it changes.
	Disks bool

	// Refresh is how often clients reload the map of slots unasked; go-redis'
	// default is 60 s.
	Refresh time.Duration

	// Zones places the primary of shard i in Zones[i mod len], its first
	// replica in the next one, and so on. Empty: one zone.
	Zones []string
}

// Name implements harness.System.
func (Cluster) Name() string { return "redis-cluster" }

var _ harness.System = Cluster{}

// check refuses what cannot be meant.
func (c Cluster) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(len(c.Replicas) < 3, "Replicas: want an entry for each of at least 3 shards")
	for i, n := range c.Replicas {
		refuse(n < 0, fmt.Sprintf("Replicas[%d]: want 0 or more", i))
	}
	refuse(c.NodeTimeout < 0 || c.MinReplicasMaxLag < 0 || c.Refresh < 0, "durations: want none below zero")
	refuse(c.NodeTimeout%time.Millisecond != 0, "NodeTimeout: want whole milliseconds")
	refuse(c.MinReplicasMaxLag%time.Second != 0, "MinReplicasMaxLag: want whole seconds, Redis knows no finer")
	refuse(c.MinReplicasToWrite < 0, "MinReplicasToWrite: want 0 or more")
	refuse(!knownFsync(c.AppendFsync), `AppendFsync: want "", "always", "everysec" or "no"`)
	refuse(c.Disks && c.AppendFsync == "", "Disks: want AppendFsync as well, nothing else is kept there")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("redis.Cluster: %w", err)
	}
	return nil
}

func knownFsync(s string) bool {
	return s == "" || s == "always" || s == "everysec" || s == "no"
}

// Start implements harness.System.
func (c Cluster) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	plan := c.plan(env.Reserve)
	var specs []harness.NodeSpec
	for i, m := range plan {
		specs = append(specs, harness.NodeSpec{
			Name: m.name, Component: "redis", Zone: c.zone(m),
			Command: []string{"redis-server", serverFile},
			Files: []harness.File{
				{Path: serverFile, Content: []byte(c.serverConfig(m))},
				{Path: clusterFile, Content: []byte(plan.nodesFile(i))},
			},
			Disks: c.disks(),
			Ready: answersPing(env, serverPort),
		})
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	return newRunningCluster(c, plan, env, nodes), nil
}

// PrimaryOf selects the nodes that now own a shard's slots, by their own
// belief. Shards count from 1.
func PrimaryOf(shard int) harness.Selector { return shardMember{shard, harness.Primary} }

// ReplicaOf selects the nodes that now stand by for a shard, by their own belief.
func ReplicaOf(shard int) harness.Selector { return shardMember{shard, harness.Replica} }

type shardMember struct {
	shard int
	role  harness.Role
}

// Select implements harness.Selector.
func (s shardMember) Select(ctx context.Context, sys harness.Running) ([]*harness.Node, error) {
	r, ok := sys.(*RunningCluster)
	if !ok {
		return nil, fmt.Errorf("select %s: the system is no Redis Cluster", s)
	}
	return r.members(ctx, s.shard, s.role)
}

func (s shardMember) String() string { return fmt.Sprintf("%s of shard %d", s.role, s.shard) }
