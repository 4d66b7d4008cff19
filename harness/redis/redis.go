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
