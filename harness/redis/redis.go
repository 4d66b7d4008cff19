// Package redis starts Redis as it is run in earnest and reads its own word on
// who is primary.
//
//	                 sentinel-1   sentinel-2   sentinel-3      watch, vote, promote
//	                       ╲          │          ╱
//	redis-1 (primary) ──replication──▶ redis-2, redis-3
//	   ▲
//	   └── clients: ask a sentinel who is primary, then talk to it (go-redis'
//	       failover client, as an application would use it)
//
// Every server has its configuration copied in, as both Redis and Sentinel
// rewrite theirs when roles change; a restarted node comes back with what it
// knew. The sentinels know each other and the replicas from the start, written
// the way Sentinel itself writes it into its file, so a cluster is whole as
// soon as its processes are up and no run waits for discovery.
//
// # Configuration, and why
//
// DownAfter is half a second in the drills, not Redis' 30 s: it is most of a
// failover, and the part that can be bought. MinReplicasToWrite 1 with
// MinReplicasMaxLag 2 s makes a primary that lost its replicas stop
// acknowledging. Replication is diskless and without the 5 s in which Redis
// waits for more replicas. Nothing is kept on disk unless AppendFsync says so.
//
// # What to expect
//
// Six processes are ready after 4 s. When the primary is killed, the time to
// recover is DownAfter and about 0.85 s: 0.3 s of vote and promotion, the rest
// is the clients' finding out. In the median of six runs each it was 1.35 s at
// 500 ms, 1.85 s at 1 s and 2.85 s at 2 s; a frozen primary costs as much. Cut
// off with its clients, a guarded primary acknowledged for 2.5 s more, an
// unguarded one for as long as the partition lasted.
//
// # What hadrill found
//
// DownAfter 200 ms never recovers: in six runs of six the sentinels failed over
// again and again for the 7 s that were looked at. After each switch a sentinel
// counts the silence of the new primary from the switch, and sends its first
// PING only when DownAfter has passed (sentinelResetMaster sets act_ping_time
// and last_pong_time together): the new primary is taken for down before it was
// asked, and with all clocks so close the others agree.
//
// A primary that keeps nothing on disk and is restarted sooner than it is missed
// comes back empty, and its replicas copy that: everything is lost, in a cluster
// in which nothing failed.
//
// A sentinel whose wall clock jumps acts no more for 30 s (TILT mode). With a
// quorum of two of three the others fail over as if nothing were; a quorum of
// three waits for it.
package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/hadrill/hadrill/harness"
)

// go-redis writes to standard error by itself, in the middle of a run's output.
// What it would say there, its callers get as errors.
func init() { logging.Disable() }

const (
	serverPort   = 6379
	sentinelPort = 26379
	// masterName is what the sentinels call the replication group.
	masterName = "drill"
)

// Sentinel is a primary with replicas, watched by sentinels. A zero duration or
// count means Redis' own default, except where said otherwise.
//
// Redis acknowledges a write before any replica has it. MinReplicasToWrite and
// MinReplicasMaxLag bound how long a primary that lost its replicas goes on
// acknowledging; they do not make a write durable. State the promise in seconds.
type Sentinel struct {
	Replicas  int // beside the primary; at least 1
	Sentinels int // at least 1
	Quorum    int // sentinels that must agree on "down"; 0: the majority

	DownAfter       time.Duration // down-after-milliseconds; Redis' default is 30 s
	FailoverTimeout time.Duration // failover-timeout; default 3 min
	ParallelSyncs   int           // parallel-syncs; default 1

	MinReplicasToWrite int           // min-replicas-to-write; default 0: off
	MinReplicasMaxLag  time.Duration // min-replicas-max-lag, whole seconds; default 10 s

	// AppendFsync turns the append-only file on: "always", "everysec" or "no".
	// Empty: nothing is kept on disk at all, neither snapshots.
	AppendFsync string

	// Zones places server and sentinel i in Zones[i mod len]. Empty: one zone.
	Zones []string
}

// Name implements harness.System.
func (Sentinel) Name() string { return "redis-sentinel" }

var _ harness.System = Sentinel{}

// check refuses what cannot be meant.
func (s Sentinel) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(s.Replicas < 1, "Replicas: want at least 1")
	refuse(s.Sentinels < 1, "Sentinels: want at least 1")
	refuse(s.Quorum < 0 || s.Quorum > s.Sentinels, "Quorum: want 0 (the majority) up to the number of sentinels")
	refuse(s.DownAfter < 0 || s.FailoverTimeout < 0 || s.MinReplicasMaxLag < 0, "durations: want none below zero")
	refuse(s.DownAfter%time.Millisecond != 0 || s.FailoverTimeout%time.Millisecond != 0, "DownAfter, FailoverTimeout: want whole milliseconds")
	refuse(s.MinReplicasMaxLag%time.Second != 0, "MinReplicasMaxLag: want whole seconds, Redis knows no finer")
	refuse(s.MinReplicasToWrite < 0 || s.MinReplicasToWrite > s.Replicas, "MinReplicasToWrite: want 0 up to the number of replicas")
	switch s.AppendFsync {
	case "", "always", "everysec", "no":
	default:
		refuse(true, `AppendFsync: want "", "always", "everysec" or "no"`)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("redis.Sentinel: %w", err)
	}
	return nil
}

func (s Sentinel) quorum() int {
	if s.Quorum > 0 {
		return s.Quorum
	}
	return s.Sentinels/2 + 1
}

func (s Sentinel) zone(i int) string {
	if len(s.Zones) == 0 {
		return ""
	}
	return s.Zones[i%len(s.Zones)]
}

// Start implements harness.System.
func (s Sentinel) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	plan := s.plan(env.Reserve)
	var specs []harness.NodeSpec
	for i, m := range plan.servers {
		specs = append(specs, harness.NodeSpec{
			Name: m.name, Component: "redis", Zone: s.zone(i),
			Command: []string{"redis-server", serverFile},
			Files:   []harness.File{{Path: serverFile, Content: []byte(s.serverConfig(plan, i))}},
			Ready:   answersPing(env, serverPort),
		})
	}
	for i, m := range plan.sentinels {
		specs = append(specs, harness.NodeSpec{
			Name: m.name, Component: "redis", Zone: s.zone(i),
			Command: []string{"redis-server", sentinelFile, "--sentinel"},
			Files:   []harness.File{{Path: sentinelFile, Content: []byte(s.sentinelConfig(plan, i))}},
			Ready:   answersPing(env, sentinelPort),
		})
	}
	// Servers first: a sentinel that is up before its primary holds it for
	// down, tells the others, and they remember that for five seconds. The
	// replicas use the time to synchronise.
	servers, err := env.Start(ctx, specs[:len(plan.servers)]...)
	if err != nil {
		return nil, err
	}
	sentinels, err := env.Start(ctx, specs[len(plan.servers):]...)
	if err != nil {
		return nil, err
	}
	return newRunning(s, env, append(servers, sentinels...)), nil
}

// answersPing is ready when the server speaks, be it to say that it loads.
func answersPing(env *harness.Env, port uint16) func(context.Context, *harness.Node) error {
	return func(ctx context.Context, n *harness.Node) error {
		a := newAsker(env.Data(), n.Addr(), port)
		defer a.close()
		_, err := a.ask(ctx, []string{"PING"})
		return err
	}
}
