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

const (
	beliefLimit = 100 * time.Millisecond // how long a node may take to say what it believes
	settleLimit = 500 * time.Millisecond // one round of questions while settling
	settlePause = 25 * time.Millisecond
	inSyncLag   = 2 // seconds since a replica's last acknowledgement; they come every second
)

// Running is a started Sentinel cluster.
type Running struct {
	declared  Sentinel
	env       *harness.Env
	nodes     []*harness.Node
	servers   []*peer
	sentinels []*peer
	names     map[netip.Addr]string
}

// peer is one node and the connection to ask it.
type peer struct {
	node *harness.Node
	*asker
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.SetStore           = (*Running)(nil)
	_ harness.RegisterStore      = (*Running)(nil)
)

func newRunning(s Sentinel, env *harness.Env, nodes []*harness.Node) *Running {
	r := &Running{declared: s, env: env, nodes: nodes, names: map[netip.Addr]string{}}
	for i, n := range nodes {
		r.names[n.Addr()] = n.Name()
		if i <= s.Replicas {
			r.servers = append(r.servers, &peer{n, newAsker(env.Data(), n.Addr(), serverPort)})
		} else {
			r.sentinels = append(r.sentinels, &peer{n, newAsker(env.Data(), n.Addr(), sentinelPort)})
		}
	}
	return r
}

// Nodes implements harness.Running: servers, then sentinels.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// Stop implements harness.Stopper: it drops the connections for observation.
func (r *Running) Stop(context.Context) error {
	for _, p := range append(append([]*peer(nil), r.servers...), r.sentinels...) {
		p.close()
	}
	return nil
}

// Beliefs implements harness.RoleReporter. Servers are asked for their ROLE,
// sentinels for the address they would give a client and the epoch of the
// configuration they hold.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	beliefs := make([]harness.Belief, len(r.nodes))
	var group sync.WaitGroup
	for i, p := range append(append([]*peer(nil), r.servers...), r.sentinels...) {
		group.Go(func() {
			var b harness.Belief
			var err error
			if i < len(r.servers) {
				b, err = r.serverBelief(ctx, p)
			} else {
				b, err = r.sentinelBelief(ctx, p)
			}
			b.Node = p.node.Name()
			if err != nil {
				b.Self, b.Err = harness.Unknown, err.Error()
			}
			beliefs[i] = b
		})
	}
	group.Wait()
	return beliefs
}

func (r *Running) serverBelief(ctx context.Context, p *peer) (harness.Belief, error) {
	answers, err := p.ask(ctx, []string{"ROLE"})
	if err != nil {
		return harness.Belief{}, err
	}
	role, _ := answers[0].([]any)
	if len(role) >= 2 {
		switch role[0] {
		case "master":
			return harness.Belief{Self: harness.Primary, Primary: p.node.Name()}, nil
		case "slave":
			return harness.Belief{Self: harness.Replica, Primary: r.nameOf(role[1])}, nil
		}
	}
	return harness.Belief{}, fmt.Errorf("ask %s ROLE: unexpected answer %v", p.addr, answers[0])
}

func (r *Running) sentinelBelief(ctx context.Context, p *peer) (harness.Belief, error) {
	answers, err := p.ask(ctx, []string{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName}, []string{"SENTINEL", "MASTER", masterName})
	if err != nil {
		return harness.Belief{}, err
	}
	b := harness.Belief{Self: harness.Arbiter}
	if addr, _ := answers[0].([]any); len(addr) == 2 {
		b.Primary = r.nameOf(addr[0])
	}
	b.Term, _ = strconv.ParseInt(pairs(answers[1])["config-epoch"], 10, 64)
	return b, nil
}

// nameOf turns an address that Redis gave into a node's name; one it does not
// know stays an address.
func (r *Running) nameOf(v any) string {
	text, _ := v.(string)
	addr, err := netip.ParseAddr(text)
	if name, ok := r.names[addr]; err == nil && ok {
		return name
	}
	return text
}

// Redundancy implements harness.RedundancyReporter: replicas that the current
// primary counts as on line and heard from within two seconds. With several
// primaries the one with the most counts.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	counts := make([]int, len(r.servers))
	errs := make([]error, len(r.servers))
	var group sync.WaitGroup
	for i, p := range r.servers {
		group.Go(func() {
			answers, err := p.ask(ctx, []string{"INFO", "replication"})
			if err != nil {
				errs[i] = err
				return
			}
			counts[i] = inSync(info(answers[0]))
		})
	}
	group.Wait()
	answered := false
	for i := range counts {
		have = max(have, counts[i])
		answered = answered || errs[i] == nil
	}
	if !answered {
		err = fmt.Errorf("count replicas: no server answers: %w", errors.Join(errs...))
	}
	return have, r.declared.Replicas, err
}

// inSync counts the replicas of a primary's INFO that follow it closely.
func inSync(replication map[string]string) (n int) {
	if replication["role"] != "master" {
		return 0
	}
	for key, value := range replication {
		// slave0:ip=10.213.0.12,port=6379,state=online,offset=1234,lag=0
		if !strings.HasPrefix(key, "slave") {
			continue
		}
		fields := map[string]string{}
		for field := range strings.SplitSeq(value, ",") {
			k, v, _ := strings.Cut(field, "=")
			fields[k] = v
		}
		if lag, err := strconv.Atoi(fields["lag"]); err == nil && fields["state"] == "online" && lag <= inSyncLag {
			n++
		}
	}
	return n
}

// Settle implements harness.Settler: one primary, every replica in sync, every
// sentinel linked to all others and to all servers, with fresh news of each,
// so that a failover could succeed at once. It is meant for a cluster that was
// just started; after a failover Sentinel itself takes some twenty seconds
// until its news of a returned server is that complete (it makes it a replica
// after 8 s at the earliest, and asks for news every 10 s).
func (r *Running) Settle(ctx context.Context) error {
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

func (r *Running) steady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	have, want, err := r.Redundancy(ctx)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%d of %d replicas are in sync", have, want)
	}
	primary := ""
	for _, b := range r.Beliefs(ctx) {
		switch {
		case b.Err != "":
			return fmt.Errorf("%s: %s", b.Node, b.Err)
		case primary != "" && b.Primary != primary:
			return fmt.Errorf("%s believes %s primary, another %s", b.Node, b.Primary, primary)
		}
		primary = b.Primary
	}
	errs := make([]error, len(r.sentinels))
	var group sync.WaitGroup
	for i, p := range r.sentinels {
		group.Go(func() {
			if err := r.sentinelSteady(ctx, p); err != nil {
				errs[i] = fmt.Errorf("%s: %w", p.node.Name(), err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// sentinelSteady asks a sentinel for what it sees of everyone else.
func (r *Running) sentinelSteady(ctx context.Context, p *peer) error {
	answers, err := p.ask(ctx, []string{"SENTINEL", "MASTER", masterName}, []string{"SENTINEL", "REPLICAS", masterName}, []string{"SENTINEL", "SENTINELS", masterName})
	if err != nil {
		return err
	}
	if flags := pairs(answers[0])["flags"]; flags != "master" {
		return fmt.Errorf("sees the primary as %q", flags)
	}
	replicas, _ := answers[1].([]any)
	if len(replicas) != r.declared.Replicas {
		return fmt.Errorf("knows %d of %d replicas", len(replicas), r.declared.Replicas)
	}
	for _, v := range replicas {
		// Without a report of the replica's own (INFO) that says its link is
		// up, the sentinel would pass it over in an election.
		if m := pairs(v); m["flags"] != "slave" || m["master-link-status"] != "ok" {
			return fmt.Errorf("sees replica %s as %q, link %q", r.nameOf(m["ip"]), m["flags"], m["master-link-status"])
		}
	}
	others, _ := answers[2].([]any)
	if len(others) != len(r.sentinels)-1 {
		return fmt.Errorf("knows %d of %d other sentinels", len(others), len(r.sentinels)-1)
	}
	for _, v := range others {
		if m := pairs(v); m["flags"] != "sentinel" {
			return fmt.Errorf("sees %s as %q", r.nameOf(m["ip"]), m["flags"])
		}
	}
	return nil
}
