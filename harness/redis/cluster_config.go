package redis

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const (
	// clusterFile is where a node keeps its map of the cluster. It rewrites it
	// by renaming a new one into its place.
	clusterFile = "/tmp/nodes.conf"
	busPort     = serverPort + 10000
	slots       = 16384
)

// clusterMember is one node of a cluster before it starts.
type clusterMember struct {
	member
	shard int // from 0
	place int // 0 is the first primary, 1 the first replica
}

// clusterPlan names every member: first the primaries, then the replicas.
type clusterPlan []clusterMember

func (c Cluster) plan(reserve func(name string) netip.Addr) clusterPlan {
	var p clusterPlan
	add := func(shard, place int) {
		name := fmt.Sprintf("redis-%d", len(p)+1)
		p = append(p, clusterMember{member{name, reserve(name)}, shard, place})
	}
	most := 0
	for shard, n := range c.Replicas {
		add(shard, 0)
		most = max(most, n)
	}
	for place := range most {
		for shard, n := range c.Replicas {
			if place < n {
				add(shard, place+1)
			}
		}
	}
	return p
}

func (c Cluster) zone(m clusterMember) string {
	if len(c.Zones) == 0 {
		return ""
	}
	return c.Zones[(m.shard+m.place)%len(c.Zones)]
}

// dataDir is where a node keeps its append-only file.
func (c Cluster) dataDir() string {
	if c.Disks {
		return diskPath
	}
	return "/tmp"
}

func (c Cluster) disks() []harness.Disk {
	if !c.Disks {
		return nil
	}
	return []harness.Disk{{Path: diskPath}}
}

// shards is how many shards the plan has: one a first primary.
func (p clusterPlan) shards() (n int) {
	for _, m := range p {
		if m.place == 0 {
			n++
		}
	}
	return n
}

// shardID is a shard's identity, 40 hexadecimal digits.
func shardID(shard int) string {
	sum := sha1.Sum(fmt.Appendf(nil, "hadrill shard %d", shard+1))
	return hex.EncodeToString(sum[:])
}

// slotRange is what a shard owns of the slots, both ends included, dealt out as
// redis-cli does it: equal parts, the borders rounded.
func slotRange(shard, shards int) (first, last int) {
	border := func(i int) int { return (2*slots*i + shards) / (2 * shards) }
	return border(shard), border(shard+1) - 1
}

// shardOfSlot is the shard that a slot was dealt to.
func shardOfSlot(slot, shards int) int {
	for shard := range shards {
		if _, last := slotRange(shard, shards); slot <= last {
			return shard
		}
	}
	return shards - 1
}

// nodesFile renders the map of the cluster as node i would have saved it. A
// line a node:
//
//	id ip:port@busport,,tls-port=0,shard-id=... flags primary ping pong epoch link slots
func (p clusterPlan) nodesFile(i int) string {
	var l lines
	shards := p.shards()
	for j, m := range p {
		flags, primary, owned := "master", "-", ""
		if m.place > 0 {
			flags, primary = "slave", p[m.shard].runID()
		} else {
			first, last := slotRange(m.shard, shards)
			owned = fmt.Sprintf(" %d-%d", first, last)
		}
		if j == i {
			flags = "myself," + flags
		}
		l.add("%s %s:%d@%d,,tls-port=0,shard-id=%s %s %s 0 0 %d connected%s",
			m.runID(), m.addr, serverPort, busPort, shardID(m.shard), flags, primary, m.shard+1, owned)
	}
	l.add("vars currentEpoch %d lastVoteEpoch 0", shards)
	return l.String()
}

// serverConfig renders the configuration of a node.
func (c Cluster) serverConfig(m clusterMember) string {
	var l lines
	l.add("port %d", serverPort)
	l.add("bind 0.0.0.0")
	l.add("protected-mode no") // no password: the networks have no way in from outside
	l.add("dir %s", c.dataDir())
	l.add("cluster-enabled yes")
	l.add("cluster-config-file %s", clusterFile)
	l.add("cluster-announce-ip %s", m.addr)
	l.duration("cluster-node-timeout %d", c.NodeTimeout, time.Millisecond)
	if c.PartialCoverage {
		l.add("cluster-require-full-coverage no")
	}
	l.add("repl-diskless-sync yes")
	l.add("repl-diskless-sync-delay 0") // the default waits 5 s for more replicas to come
	l.add(`save ""`)
	if c.AppendFsync != "" {
		l.add("appendonly yes")
		l.add("appendfsync %s", c.AppendFsync)
	}
	l.count("min-replicas-to-write %d", c.MinReplicasToWrite)
	l.duration("min-replicas-max-lag %d", c.MinReplicasMaxLag, time.Second)
	return l.String()
}
