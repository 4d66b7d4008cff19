package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hadrill/hadrill/harness"
)

// diskPath is where a server with a disk of its own keeps its data.
const diskPath = "/data"

// Single is one server alone, with its append-only file on a disk of the
// node's own: what it acknowledged is worth what that disk kept.
//
// With AppendFsync "always" Redis writes and syncs before it answers; with
// "everysec", its default, the last second or two are in no file that would
// survive the machine; with "no" the kernel decides, which takes half a minute.
// (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)
type Single struct {
	AppendFsync string // "always", "everysec" or "no"; required
}

// Name implements harness.System.
func (Single) Name() string { return "redis-single" }

// Start implements harness.System.
func (s Single) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	switch s.AppendFsync {
	case "always", "everysec", "no":
	default:
		return nil, fmt.Errorf(`redis.Single: AppendFsync %q: want "always", "everysec" or "no"`, s.AppendFsync)
	}
	nodes, err := env.Start(ctx, harness.NodeSpec{
		Name: "redis", Component: "redis",
		Command: []string{"redis-server", serverFile},
		Files:   []harness.File{{Path: serverFile, Content: []byte(s.config())}},
		Disks:   []harness.Disk{{Path: diskPath, Interposed: true}},
		Ready:   answersPing(env, serverPort),
	})
	if err != nil {
		return nil, err
	}
	return &RunningSingle{node: nodes[0], asker: newAsker(env.Data(), nodes[0].Addr(), serverPort)}, nil
}

func (s Single) config() string {
	var l lines
	l.add("port %d", serverPort)
	l.add("bind 0.0.0.0")
	l.add("protected-mode no") // no password: the networks have no way in from outside
	l.add("dir %s", diskPath)
	l.add(`save ""`)
	l.add("appendonly yes")
	l.add("appendfsync %s", s.AppendFsync)
	return l.String()
}

// RunningSingle is a started Single.
type RunningSingle struct {
	node *harness.Node
	*asker
}

var (
	_ harness.System       = Single{}
	_ harness.RoleReporter = (*RunningSingle)(nil)
	_ harness.Settler      = (*RunningSingle)(nil)
	_ harness.Milestones   = (*RunningSingle)(nil)
	_ harness.Stopper      = (*RunningSingle)(nil)
	_ harness.SetStore     = (*RunningSingle)(nil)
)

// Nodes implements harness.Running.
func (r *RunningSingle) Nodes() []*harness.Node { return []*harness.Node{r.node} }

// Stop implements harness.Stopper: it drops the connection for observation.
func (r *RunningSingle) Stop(context.Context) error {
	r.close()
	return nil
}

// Beliefs implements harness.RoleReporter: the one server is primary as soon as
// it has read its file.
func (r *RunningSingle) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	b := harness.Belief{Node: r.node.Name(), Self: harness.Primary, Primary: r.node.Name()}
	if err := r.loaded(ctx); err != nil {
		b.Self, b.Primary, b.Err = harness.Unknown, "", err.Error()
	}
	return []harness.Belief{b}
}

// loaded says whether the server has read its file and can write it.
func (r *RunningSingle) loaded(ctx context.Context) error {
	answers, err := r.ask(ctx, []string{"INFO", "persistence"})
	if err != nil {
		return err
	}
	said := info(answers[0])
	if said["loading"] != "0" || said["aof_last_write_status"] != "ok" {
		return fmt.Errorf("loading %q, last write %q", said["loading"], said["aof_last_write_status"])
	}
	return nil
}

// Settle implements harness.Settler: the server has read its file and can
// write it.
func (r *RunningSingle) Settle(ctx context.Context) error {
	for {
		asking, cancel := context.WithTimeout(ctx, settleLimit)
		err := r.loaded(asking)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle redis-single: %w; not steady: %w", ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}

// OpenSet implements harness.SetStore.
func (r *RunningSingle) OpenSet(ctx context.Context, from harness.Vantage) (harness.SetClient, error) {
	w := &wire{from: from}
	library := goredis.NewClient(&goredis.Options{
		Addr: r.addr.String(), Dialer: w.dial,
		Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: dialLimit, ReadTimeout: replyLimit, WriteTimeout: replyLimit, PoolTimeout: replyLimit,
		ContextTimeoutEnabled: true,
		PoolSize:              dialsBefore, PipelinePoolSize: -1,
	})
	c := &client{UniversalClient: library, wire: w, bulk: library.WithTimeout(bulkLimit), key: plainKey}
	if err := c.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the server: %w", err), c.Close())
	}
	return &setClient{c}, nil
}

// Milestone implements harness.Milestones: what the server says of its file.
func (r *RunningSingle) Milestone(_, line string) (harness.Milestone, bool) {
	text := message(line)
	for _, start := range []string{
		"DB loaded from ", "!!! Warning: short read", "AOF loaded anyway", "Error writing to the AOF file",
		"Can't recover from AOF write error", "Asynchronous AOF fsync is taking too long",
	} {
		if strings.HasPrefix(text, start) {
			return harness.Milestone{Keep: true, Text: text}, true
		}
	}
	return harness.Milestone{Owner: strings.HasPrefix(text, "Ready to accept connections"), Keep: true, Text: text}, keep(text)
}
