package mysql

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

// The consistency levels of Group Replication (group_replication_consistency,
// MySQL reference manual 20.5.3) that concern a failover.
const (
	// BeforeOnPrimaryFailover holds reads and writes on a new primary until it
	// has applied all that the old one had committed. MySQL's default from 8.4.
	BeforeOnPrimaryFailover = "BEFORE_ON_PRIMARY_FAILOVER"
	// Eventual serves what is there.
	Eventual = "EVENTUAL"
)

// Group is a Group Replication group in single-primary mode. There is no
// manager: the members elect a primary themselves (Paxos), and clients ask the
// members who it is, as MySQL Router does.
type Group struct {
	Members int // at least 2; 3 outlive one failure
	// ExpelTimeout is how long a member may be unreachable before it is
	// expelled (group_replication_member_expel_timeout), whole seconds, after
	// the 5 s that it takes to be suspected. MySQL's default is 5 s; the zero
	// value here is zero.
	ExpelTimeout time.Duration
	// UnreachableMajorityTimeout is how long a member without majority keeps
	// its transactions waiting before it gives up and turns read-only, whole
	// seconds. 0: for ever, MySQL's default.
	UnreachableMajorityTimeout time.Duration
	// Consistency is BeforeOnPrimaryFailover (the default, empty), Eventual, or
	// another level of MySQL's.
	Consistency string

	// Isolation is the sessions' transaction isolation level; empty is
	// MySQL's default, "REPEATABLE READ".
	Isolation string
	// Backup holds the secondaries' appliers now and then, as backups do.
	Backup Backup
	// Zones places member i in Zones[i mod len]. Empty: one zone.
	Zones []string
}

// Name implements harness.System.
func (Group) Name() string { return "mysql-group" }

var _ harness.System = Group{}

func (g Group) consistency() string {
	if g.Consistency == "" {
		return BeforeOnPrimaryFailover
	}
	return g.Consistency
}

// check refuses what cannot be meant.
func (g Group) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(g.Members < 2 || g.Members > 9, "Members: want 2 to 9")
	refuse(g.ExpelTimeout < 0 || g.UnreachableMajorityTimeout < 0, "durations: want none below zero")
	refuse(g.ExpelTimeout%time.Second != 0 || g.UnreachableMajorityTimeout%time.Second != 0, "ExpelTimeout, UnreachableMajorityTimeout: want whole seconds, MySQL knows no finer")
	switch g.consistency() {
	case Eventual, BeforeOnPrimaryFailover, "BEFORE", "AFTER", "BEFORE_AND_AFTER":
	default:
		refuse(true, "Consistency: is no consistency level of Group Replication")
	}
	refuse(!knownIsolation(g.Isolation), "Isolation: is no isolation level of MySQL")
	errs = append(errs, g.Backup.check())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("mysql.Group: %w", err)
	}
	return nil
}

// Start implements harness.System: all servers side by side, then the first
// member founds the group and the others join it.
func (g Group) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	members := plan(env, g.Members)
	var specs []harness.NodeSpec
	for i, m := range members {
		made, err := spec(env, m, zone(g.Zones, i), g.config(members, i))
		if err != nil {
			return nil, err
		}
		specs = append(specs, made)
	}
	if g.Backup.enabled() {
		specs = append(specs, g.Backup.spec(env, members))
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	if err := form(ctx, env, nodes[:g.Members]); err != nil {
		return nil, fmt.Errorf("form the group: %w", err)
	}
	return newGroupRunning(g, env, nodes)
}

const recoveryUser = "CHANGE REPLICATION SOURCE TO SOURCE_USER = '" + session.Manager + "' FOR CHANNEL 'group_replication_recovery'"

// form founds the group. From then on a member that restarts joins by itself.
func form(ctx context.Context, env *harness.Env, nodes []*harness.Node) error {
	err := command(ctx, env, nodes[0], recoveryUser,
		"SET GLOBAL group_replication_bootstrap_group = ON", "START GROUP_REPLICATION", "SET GLOBAL group_replication_bootstrap_group = OFF",
		"SET PERSIST group_replication_start_on_boot = ON")
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes[1:] {
		group.Go(func() error {
			return command(ctx, env, n, recoveryUser, "START GROUP_REPLICATION", "SET PERSIST group_replication_start_on_boot = ON")
		})
	}
	return group.Wait()
}

// command performs statements on a node as its manager.
func command(ctx context.Context, env *harness.Env, n *harness.Node, statements ...string) error {
	s, err := session.New(netip.AddrPortFrom(n.Addr(), session.Port), session.Manager, env.Data().DialContext)
	if err != nil {
		return err
	}
	if err := s.Exec(ctx, statements...); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", n.Name(), err), s.Close())
	}
	return s.Close()
}
