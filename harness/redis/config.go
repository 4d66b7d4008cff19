package redis

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	serverFile   = "/etc/hadrill/redis.conf"
	sentinelFile = "/etc/hadrill/sentinel.conf"
)

// member is one node before it starts.
type member struct {
	name string
	addr netip.Addr
}

// runID is a sentinel's identity, 40 hexadecimal digits, fixed by its name so
// that the others can know it before it runs.
func (m member) runID() string {
	sum := sha1.Sum([]byte("hadrill " + m.name))
	return hex.EncodeToString(sum[:])
}

// plan names every member of a cluster.
type plan struct {
	servers   []member // the first is the first primary
	sentinels []member
}

func (s Sentinel) plan(reserve func(name string) netip.Addr) plan {
	var p plan
	for i := range s.Replicas + 1 {
		name := fmt.Sprintf("redis-%d", i+1)
		p.servers = append(p.servers, member{name, reserve(name)})
	}
	for i := range s.Sentinels {
		name := fmt.Sprintf("sentinel-%d", i+1)
		p.sentinels = append(p.sentinels, member{name, reserve(name)})
	}
	return p
}

// lines collects configuration lines; optional ones are left out at zero, so
// that the server's own default stands.
type lines struct{ strings.Builder }

func (l *lines) add(format string, args ...any) { fmt.Fprintf(l, format+"\n", args...) }

func (l *lines) count(format string, n int) {
	if n > 0 {
		l.add(format, n)
	}
}

func (l *lines) duration(format string, d, unit time.Duration) {
	if d > 0 {
		l.add(format, d/unit)
	}
}

// serverConfig renders the configuration of server i.
func (s Sentinel) serverConfig(p plan, i int) string {
	var l lines
	l.add("port %d", serverPort)
	l.add("bind 0.0.0.0")
	l.add("protected-mode no") // no password: the networks have no way in from outside
	l.add("dir /tmp")
	l.add("replica-announce-ip %s", p.servers[i].addr)
	l.add("repl-diskless-sync yes")
	l.add("repl-diskless-sync-delay 0") // the default waits 5 s for more replicas to come
	l.add(`save ""`)
	if s.AppendFsync != "" {
		l.add("appendonly yes")
		l.add("appendfsync %s", s.AppendFsync)
	}
	l.count("min-replicas-to-write %d", s.MinReplicasToWrite)
	l.duration("min-replicas-max-lag %d", s.MinReplicasMaxLag, time.Second)
	if i > 0 {
		l.add("replicaof %s %d", p.servers[0].addr, serverPort)
	}
	return l.String()
}

// sentinelConfig renders the configuration of sentinel i, with what discovery
// would find out, as Sentinel itself rewrites its file.
func (s Sentinel) sentinelConfig(p plan, i int) string {
	var l lines
	l.add("port %d", sentinelPort)
	l.add("bind 0.0.0.0")
	l.add("protected-mode no")
	l.add("dir /tmp")
	l.add("sentinel myid %s", p.sentinels[i].runID())
	l.add("sentinel announce-ip %s", p.sentinels[i].addr)
	l.add("sentinel announce-port %d", sentinelPort)
	l.add("sentinel monitor %s %s %d %d", masterName, p.servers[0].addr, serverPort, s.quorum())
	l.duration("sentinel down-after-milliseconds "+masterName+" %d", s.DownAfter, time.Millisecond)
	l.duration("sentinel failover-timeout "+masterName+" %d", s.FailoverTimeout, time.Millisecond)
	l.count("sentinel parallel-syncs "+masterName+" %d", s.ParallelSyncs)
	for _, r := range p.servers[1:] {
		l.add("sentinel known-replica %s %s %d", masterName, r.addr, serverPort)
	}
	for j, other := range p.sentinels {
		if j != i {
			l.add("sentinel known-sentinel %s %s %d %s", masterName, other.addr, sentinelPort, other.runID())
		}
	}
	return l.String()
}
