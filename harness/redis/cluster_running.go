package redis

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// RunningCluster is a started Cluster.
type RunningCluster struct {
	declared Cluster
	plan     clusterPlan
	nodes    []*harness.Node
	peers    []*peer
	names    map[netip.Addr]string
}

var (
	_ harness.RoleReporter       = (*RunningCluster)(nil)
	_ harness.RedundancyReporter = (*RunningCluster)(nil)
	_ harness.Settler            = (*RunningCluster)(nil)
	_ harness.Milestones         = (*RunningCluster)(nil)
	_ harness.Stopper            = (*RunningCluster)(nil)
	_ harness.SetStore           = (*RunningCluster)(nil)
	_ harness.RegisterStore      = (*RunningCluster)(nil)
)

func newRunningCluster(c Cluster, plan clusterPlan, env *harness.Env, nodes []*harness.Node) *RunningCluster {
	r := &RunningCluster{declared: c, plan: plan, nodes: nodes, names: map[netip.Addr]string{}}
	for _, n := range nodes {
		r.names[n.Addr()] = n.Name()
		r.peers = append(r.peers, &peer{n, newAsker(env.Data(), n.Addr(), serverPort)})
	}
	return r
}

// Nodes implements harness.Running: the first primaries in order of their
// shards, then the replicas.
func (r *RunningCluster) Nodes() []*harness.Node { return r.nodes }

// Stop implements harness.Stopper: it drops the connections for observation.
func (r *RunningCluster) Stop(context.Context) error {
	for _, p := range r.peers {
		p.close()
	}
	return nil
}

// Beliefs implements harness.RoleReporter: each node's own role, the primary
// of its own shard, and the epoch of the configuration it holds for it. A
// node for which the cluster is down serves nobody, whatever its role: its own
// is then Unknown. Every shard has a primary, so several believers are right.
func (r *RunningCluster) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	beliefs := make([]harness.Belief, len(r.peers))
	r.each(func(i int, p *peer) {
		b, err := r.belief(ctx, p)
		b.Node = p.node.Name()
		if err != nil {
			b.Self, b.Err = harness.Unknown, err.Error()
		}
		beliefs[i] = b
	})
	return beliefs
}

// each calls f for every node at once.
func (r *RunningCluster) each(f func(i int, p *peer)) {
	var group sync.WaitGroup
	for i, p := range r.peers {
		group.Go(func() { f(i, p) })
	}
	group.Wait()
}

func (r *RunningCluster) belief(ctx context.Context, p *peer) (b harness.Belief, err error) {
	answers, err := p.ask(ctx, []string{"ROLE"}, []string{"CLUSTER", "INFO"})
	if err != nil {
		return b, err
	}
	cluster := info(answers[1])
	b.Term, _ = strconv.ParseInt(cluster["cluster_my_epoch"], 10, 64)
	role, _ := answers[0].([]any)
	switch {
	case len(role) >= 2 && role[0] == "master":
		b.Self, b.Primary = harness.Primary, p.node.Name()
	case len(role) >= 2 && role[0] == "slave":
		b.Self, b.Primary = harness.Replica, r.nameOf(role[1])
	default:
		return b, fmt.Errorf("ask %s ROLE: unexpected answer %v", p.addr, answers[0])
	}
	if state := cluster["cluster_state"]; state != "ok" {
		return b, fmt.Errorf("%s says that the cluster's state is %q", p.node.Name(), state)
	}
	return b, nil
}

// nameOf turns an address that Redis gave into a node's name; one it does not
// know stays an address.
func (r *RunningCluster) nameOf(v any) string {
	text, _ := v.(string)
	addr, err := netip.ParseAddr(text)
	if name, ok := r.names[addr]; err == nil && ok {
		return name
	}
	return text
}

// members are the nodes of a shard (from 1) that believe they play a role.
func (r *RunningCluster) members(ctx context.Context, shard int, role harness.Role) (picked []*harness.Node, err error) {
	if shard < 1 || shard > r.plan.shards() {
		return nil, fmt.Errorf("select %s of shard %d: the cluster has shards 1 to %d", role, shard, r.plan.shards())
	}
	for i, b := range r.Beliefs(ctx) {
		// A node never changes its shard: replicas do not migrate where no
		// shard has more than its barrier, and no slots are moved.
		if b.Self == role && r.plan[i].shard == shard-1 {
			picked = append(picked, r.nodes[i])
		}
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("select %s of shard %d: no node plays this role now", role, shard)
	}
	return picked, nil
}

// Redundancy implements harness.RedundancyReporter: replicas that the current
// primaries count as on line and heard from within two seconds, over all shards.
func (r *RunningCluster) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	counts, errs := make([]int, len(r.peers)), make([]error, len(r.peers))
	r.each(func(i int, p *peer) {
		answers, err := p.ask(ctx, []string{"INFO", "replication"})
		if err != nil {
			errs[i] = err
			return
		}
		counts[i] = inSync(info(answers[0]))
	})
	for _, n := range r.declared.Replicas {
		want += n
	}
	shards := make([]int, r.plan.shards())
	answered := false
	for i, m := range r.plan {
		shards[m.shard] = max(shards[m.shard], counts[i])
		answered = answered || errs[i] == nil
	}
	for _, n := range shards {
		have += n
	}
	if !answered {
		err = fmt.Errorf("count replicas: no node answers: %w", errors.Join(errs...))
	}
	return have, want, err
}

// Settle implements harness.Settler: every node says that the cluster is whole,
// every shard has exactly one primary of which all its members agree, every
// replica is in sync and nobody is suspected.
func (r *RunningCluster) Settle(ctx context.Context) error {
	for {
		err := r.steady(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", r.declared.Name(), ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}

func (r *RunningCluster) steady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	primaries := make([]string, r.plan.shards())
	for i, b := range r.Beliefs(ctx) {
		shard := r.plan[i].shard
		switch {
		case b.Err != "":
			return fmt.Errorf("%s: %s", b.Node, b.Err)
		case primaries[shard] != "" && b.Primary != primaries[shard]:
			return fmt.Errorf("%s believes %s primary of shard %d, another %s", b.Node, b.Primary, shard+1, primaries[shard])
		}
		primaries[shard] = b.Primary
	}
	have, want, err := r.Redundancy(ctx)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%d of %d replicas are in sync", have, want)
	}
	errs := make([]error, len(r.peers))
	r.each(func(i int, p *peer) { errs[i] = r.whole(ctx, p) })
	return errors.Join(errs...)
}

// whole asks one node whether it sees all nodes well and all slots owned.
func (r *RunningCluster) whole(ctx context.Context, p *peer) error {
	answers, err := p.ask(ctx, []string{"CLUSTER", "INFO"}, []string{"CLUSTER", "NODES"})
	if err != nil {
		return err
	}
	cluster := info(answers[0])
	if cluster["cluster_slots_ok"] != strconv.Itoa(slots) || cluster["cluster_known_nodes"] != strconv.Itoa(len(r.nodes)) {
		return fmt.Errorf("%s sees %s of %d slots served, %s of %d nodes", p.node.Name(), cluster["cluster_slots_ok"], slots, cluster["cluster_known_nodes"], len(r.nodes))
	}
	text, _ := answers[1].(string)
	for line := range strings.Lines(text) {
		// id address flags primary ping pong epoch link-state slots...
		if f := strings.Fields(line); len(f) < 8 || strings.Contains(f[2], "fail") || !strings.Contains(f[2], "myself") && f[7] != "connected" {
			return fmt.Errorf("%s sees %s", p.node.Name(), strings.TrimSpace(line))
		}
	}
	return nil
}
