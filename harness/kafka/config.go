package kafka

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const (
	clientPort     = 9092 // clients
	controllerPort = 9093 // the metadata quorum, and brokers' heartbeats to its leader
	// ReplicationPort is where followers fetch from their leader: a fault of
	// replication alone is a fault of the links to it.
	ReplicationPort = 9094

	startFile = "/etc/hadrill/start.sh"
	nodeFile  = "/etc/hadrill/node.properties"
	metaFile  = "/etc/hadrill/meta.properties"
	logFile   = "/etc/hadrill/log4j2.properties"

	// clusterID is any identifier in Kafka's form, 16 bytes in base64; that of
	// the image's template.
	clusterID = "aGFkcmlsbC1rYWZrYS1kcg"
)

var (
	//go:embed start.sh
	startScript []byte
	//go:embed log4j2.properties
	logConfig []byte
)

// member is one node before it starts; its id is its place, from 1.
type member struct {
	id   int
	name string
	addr netip.Addr
}

func (c Cluster) plan(reserve func(name string) netip.Addr) []member {
	members := make([]member, nodes)
	for i := range members {
		name := fmt.Sprintf("kafka-%d", i+1)
		members[i] = member{i + 1, name, reserve(name)}
	}
	return members
}

func (c Cluster) files(members []member, i int) []harness.File {
	return []harness.File{
		{Path: startFile, Mode: 0o755, Content: startScript},
		{Path: nodeFile, Content: []byte(c.config(members, i))},
		{Path: metaFile, Content: []byte(meta(members[i].id))},
		{Path: logFile, Content: logConfig},
	}
}

const (
	diskPath = "/data"
	diskMB   = 128 // all that a drill writes is some megabytes
)

func (c Cluster) volumes() []harness.Disk {
	if !c.Disks {
		return nil
	}
	return []harness.Disk{{Path: diskPath, SizeMB: diskMB}}
}

// config renders node i's properties (https://kafka.apache.org/documentation/#brokerconfigs).
func (c Cluster) config(members []member, i int) string {
	var b strings.Builder
	say := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	ms := func(key string, d time.Duration) {
		if d > 0 { // else Kafka's own default
			say(key, d.Milliseconds())
		}
	}
	own := members[i]
	voters := make([]string, len(members))
	for k, m := range members {
		voters[k] = fmt.Sprintf("%d@%s:%d", m.id, m.addr, controllerPort)
	}
	say("process.roles", "broker,controller")
	say("node.id", own.id)
	say("controller.quorum.voters", strings.Join(voters, ","))
	say("listeners", fmt.Sprintf("CLIENT://0.0.0.0:%d,REPLICATION://0.0.0.0:%d,CONTROLLER://0.0.0.0:%d", clientPort, ReplicationPort, controllerPort))
	say("advertised.listeners", fmt.Sprintf("CLIENT://%s:%d,REPLICATION://%s:%d,CONTROLLER://%s:%d",
		own.addr, clientPort, own.addr, ReplicationPort, own.addr, controllerPort))
	say("listener.security.protocol.map", "CLIENT:PLAINTEXT,REPLICATION:PLAINTEXT,CONTROLLER:PLAINTEXT")
	say("inter.broker.listener.name", "REPLICATION")
	say("controller.listener.names", "CONTROLLER")
	say("log.dirs", diskPath+"/kafka")

	ms("broker.session.timeout.ms", c.SessionTimeout)
	ms("broker.heartbeat.interval.ms", c.Heartbeat)
	ms("replica.lag.time.max.ms", c.ReplicaLagTimeMax)
	ms("controller.quorum.fetch.timeout.ms", c.FetchTimeout)
	ms("controller.quorum.election.timeout.ms", c.ElectionTimeout)

	// Small enough for three on one machine; none of it is in a failover's way.
	say("num.network.threads", 2)
	say("num.io.threads", 4)
	say("background.threads", 2)
	say("log.cleaner.dedupe.buffer.size", 4<<20)
	// The default of 50 is for thousands of groups; each is a log on every node,
	// to be made when the first group asks.
	say("offsets.topic.num.partitions", 3)
	// Looked at every second: an hour of waiting shows nothing more.
	say("log.initial.task.delay.ms", 1000)
	say("log.retention.check.interval.ms", 1000)
	say("auto.create.topics.enable", false)
	// The loser of an election lets the controller's clients wait for it.
	say("controller.quorum.request.timeout.ms", 1000)
	return b.String()
}

// meta renders a node's meta.properties, as formatting its storage would.
func meta(id int) string {
	directory := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "hadrill-storage%d", id))
	return fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", clusterID, id, directory)
}
