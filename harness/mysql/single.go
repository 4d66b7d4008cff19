package mysql

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

// Single is one MySQL server: what isolation levels promise needs no more.
type Single struct {
	// Isolation is the sessions' transaction isolation level; empty is
	// MySQL's default, "REPEATABLE READ".
	Isolation string
}

// Name implements harness.System.
func (Single) Name() string { return "mysql-single" }

var _ harness.System = Single{}

// config renders the server's configuration: nobody has to allow it writes.
func (s Single) config(m member) string {
	var l lines
	common(&l, m, 1)
	return strings.Replace(l.String(), "super_read_only=ON\n", "super_read_only=OFF\n", 1)
}

// Start implements harness.System.
func (s Single) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if !knownIsolation(s.Isolation) {
		return nil, fmt.Errorf("mysql.Single: Isolation: %q is no isolation level of MySQL", s.Isolation)
	}
	m := plan(env, 1)[0]
	made, err := spec(env, m, "", s.config(m))
	if err != nil {
		return nil, err
	}
	nodes, err := env.Start(ctx, made)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(env, nodes, s.Isolation)
	if err != nil {
		return nil, err
	}
	c.locate = func(context.Context, harness.Vantage, netip.AddrPort) (netip.AddrPort, error) {
		return netip.AddrPortFrom(m.addr, session.Port), nil
	}
	return &SingleRunning{c}, c.watch(nodes[0], alone)
}

// SingleRunning is a started Single.
type SingleRunning struct{ *cluster }

var (
	_ harness.RoleReporter     = (*SingleRunning)(nil)
	_ harness.Settler          = (*SingleRunning)(nil)
	_ harness.Milestones       = (*SingleRunning)(nil)
	_ harness.Stopper          = (*SingleRunning)(nil)
	_ harness.SetStore         = (*SingleRunning)(nil)
	_ harness.RegisterStore    = (*SingleRunning)(nil)
	_ harness.TransactionStore = (*SingleRunning)(nil)
	_ harness.BankStore        = (*SingleRunning)(nil)
)

// alone is what a server without others believes.
func alone(ctx context.Context, p *peer) (harness.Belief, error) {
	var one int
	return harness.Belief{Self: harness.Primary, Primary: p.node.Name()}, p.beliefs.Scan(ctx, "SELECT 1", &one)
}

// Settle implements harness.Settler: the server answers.
func (r *SingleRunning) Settle(ctx context.Context) error {
	return settle(ctx, "mysql-single", func(ctx context.Context) error {
		var one int
		return r.servers[0].health.Scan(ctx, "SELECT 1", &one)
	})
}

// Milestone implements harness.Milestones.
func (r *SingleRunning) Milestone(_, line string) (harness.Milestone, bool) {
	m, ok := serverMilestone(line, []string{"ready for connections", "Starting XA crash recovery", "Crash recovery finished"})
	m.Owner = strings.Contains(m.Text, "ready for connections")
	return m, ok
}
