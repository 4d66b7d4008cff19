package mysql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
	"github.com/hadrill/hadrill/harness/mysql/manager"
)

// SemiSyncRunning is a started SemiSync.
type SemiSyncRunning struct {
	*cluster
	declared SemiSync
	boss     *harness.Node // the manager's
	asker    *probe.HTTP
}

var (
	_ harness.RoleReporter       = (*SemiSyncRunning)(nil)
	_ harness.RedundancyReporter = (*SemiSyncRunning)(nil)
	_ harness.Settler            = (*SemiSyncRunning)(nil)
	_ harness.Milestones         = (*SemiSyncRunning)(nil)
	_ harness.Stopper            = (*SemiSyncRunning)(nil)
	_ harness.SetStore           = (*SemiSyncRunning)(nil)
	_ harness.RegisterStore      = (*SemiSyncRunning)(nil)
	_ harness.TransactionStore   = (*SemiSyncRunning)(nil)
	_ harness.BankStore          = (*SemiSyncRunning)(nil)
)

func newSemiSyncRunning(s SemiSync, env *harness.Env, nodes []*harness.Node) (*SemiSyncRunning, error) {
	c, err := newCluster(env, nodes, s.Isolation)
	if err != nil {
		return nil, err
	}
	servers, boss := nodes[:s.Replicas+1], nodes[s.Replicas+1]
	c.reads = s.Reads
	for _, n := range servers {
		if err := c.watch(n, c.serverBelief); err != nil {
			return nil, err
		}
	}
	at := netip.AddrPortFrom(boss.Addr(), components.DefaultPort)
	r := &SemiSyncRunning{cluster: c, declared: s, boss: boss, asker: probe.NewHTTP(env.Data(), at)}
	c.locate = func(ctx context.Context, from harness.Vantage, last netip.AddrPort) (netip.AddrPort, error) {
		answer, err := probe.Once(ctx, from, at, "/primary")
		d, err := decision(answer, err)
		if err != nil && last.IsValid() {
			return last, nil // the manager is away: what it said last still holds
		}
		return d.Addr, err
	}
	return r, nil
}

func decision(answer probe.Answer, err error) (manager.Decision, error) {
	var d manager.Decision
	switch {
	case err != nil:
		return d, err
	case answer.Status != http.StatusOK:
		return d, fmt.Errorf("ask the manager: %d %s", answer.Status, answer.Body)
	}
	if err := json.Unmarshal([]byte(answer.Body), &d); err != nil {
		return d, fmt.Errorf("ask the manager: %w", err)
	}
	return d, nil
}

// Stop implements harness.Stopper.
func (r *SemiSyncRunning) Stop(ctx context.Context) error {
	r.asker.Close()
	return r.cluster.Stop(ctx)
}

// beliefQuery asks a server whether it takes writes, and whom it follows. The
// table answers at once, also while replication is being reconfigured.
const beliefQuery = "SELECT @@global.read_only OR @@global.super_read_only, COALESCE((SELECT Host FROM mysql.slave_master_info LIMIT 1), '')"

// serverBelief asks a server. It believes that it is the primary when it takes
// writes.
func (c *cluster) serverBelief(ctx context.Context, p *peer) (harness.Belief, error) {
	var readOnly bool
	var follows string
	if err := p.beliefs.Scan(ctx, beliefQuery, &readOnly, &follows); err != nil {
		return harness.Belief{}, err
	}
	if readOnly {
		return harness.Belief{Self: harness.Replica, Primary: c.nameOf(follows)}, nil
	}
	return harness.Belief{Self: harness.Primary, Primary: p.node.Name()}, nil
}

// Beliefs implements harness.RoleReporter: the servers', and the manager's,
// which says whom it decided for.
func (r *SemiSyncRunning) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	managers := make(chan harness.Belief, 1)
	go func() { managers <- r.managerBelief(ctx) }()
	beliefs := r.cluster.Beliefs(ctx)
	return append(beliefs, <-managers)
}

func (r *SemiSyncRunning) managerBelief(ctx context.Context) harness.Belief {
	b := harness.Belief{Node: r.boss.Name(), Self: harness.Arbiter}
	answer, err := r.asker.Get(ctx, "/primary")
	d, err := decision(answer, err)
	if err != nil {
		b.Self, b.Err = harness.Unknown, err.Error()
		return b
	}
	b.Primary, b.Term = d.Primary, d.Term
	return b
}

// replication is what a server says of its place in replication.
type replication struct {
	readOnly bool
	semiSync string // the source's own word: it waits for acknowledgements
	clients  int    // semi-synchronous replicas it knows
	status   map[string]string
	executed string
}

func (r *SemiSyncRunning) replication(ctx context.Context) ([]replication, []error) {
	return ask(r.servers, func(p *peer) (replication, error) {
		var s replication
		err := p.health.Scan(ctx, "SELECT @@global.read_only OR @@global.super_read_only, @@global.gtid_executed", &s.readOnly, &s.executed)
		if err != nil {
			return s, err
		}
		if s.status, err = p.health.Row(ctx, "SHOW REPLICA STATUS"); err != nil {
			return s, err
		}
		rows, err := p.health.Rows(ctx, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_%'")
		for _, row := range rows {
			switch row["Variable_name"] {
			case "Rpl_semi_sync_source_status":
				s.semiSync = row["Value"]
			case "Rpl_semi_sync_source_clients":
				s.clients, _ = strconv.Atoi(row["Value"])
			}
		}
		return s, err
	})
}

// Redundancy implements harness.RedundancyReporter: replicas that receive and
// apply from a server that takes writes. With several such servers the one
// with the most counts.
func (r *SemiSyncRunning) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	states, errs := r.replication(ctx)
	answered := false
	for i, p := range r.servers {
		answered = answered || errs[i] == nil
		if errs[i] == nil && !states[i].readOnly {
			have = max(have, following(states, errs, p.node.Addr().String()))
		}
	}
	if !answered {
		err = fmt.Errorf("count replicas: no server answers: %w", errors.Join(errs...))
	}
	return have, r.declared.Replicas, err
}

// following counts the servers that replicate from an address just now.
func following(states []replication, errs []error, source string) (n int) {
	for i, s := range states {
		if errs[i] == nil && s.status["Source_Host"] == source && s.status["Replica_IO_Running"] == "Yes" && s.status["Replica_SQL_Running"] == "Yes" {
			n++
		}
	}
	return n
}

// Settle implements harness.Settler: one server takes writes, it is the one
// that the manager decided for, every other follows it and has all it has, and
// the next commit will wait for as many acknowledgements as declared.
func (r *SemiSyncRunning) Settle(ctx context.Context) error {
	return settle(ctx, r.declared.Name(), r.steady)
}

func (r *SemiSyncRunning) steady(ctx context.Context) error {
	answer, err := r.asker.Get(ctx, "/primary")
	d, err := decision(answer, err)
	if err != nil {
		return err
	}
	states, errs := r.replication(ctx)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, p := range r.servers {
		s := states[i]
		if primary := p.node.Name() == d.Primary; primary == s.readOnly {
			return fmt.Errorf("%s: read-only is %v, the manager's primary is %s", p.node.Name(), s.readOnly, d.Primary)
		} else if !primary {
			continue
		}
		if n := following(states, errs, p.node.Addr().String()); n != r.declared.Replicas {
			return fmt.Errorf("%d of %d replicas follow %s", n, r.declared.Replicas, d.Primary)
		}
		if r.declared.Acks > 0 && (s.semiSync != "ON" || s.clients < r.declared.Replicas) {
			return fmt.Errorf("%s: semi-sync is %q with %d of %d replicas", d.Primary, s.semiSync, s.clients, r.declared.Replicas)
		}
		if r.declared.Backup.enabled() {
			continue // held replicas never have everything
		}
		for j, other := range states {
			if other.executed != s.executed {
				return fmt.Errorf("%s has %s, %s has %s", r.servers[j].node.Name(), other.executed, d.Primary, s.executed)
			}
		}
	}
	return nil
}
