package mysql

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

// GroupRunning is a started Group.
type GroupRunning struct {
	*cluster
	declared Group

	mu          sync.Mutex
	directories map[string]*directory // by client zone
}

var (
	_ harness.RoleReporter       = (*GroupRunning)(nil)
	_ harness.RedundancyReporter = (*GroupRunning)(nil)
	_ harness.Settler            = (*GroupRunning)(nil)
	_ harness.Milestones         = (*GroupRunning)(nil)
	_ harness.Stopper            = (*GroupRunning)(nil)
	_ harness.SetStore           = (*GroupRunning)(nil)
	_ harness.RegisterStore      = (*GroupRunning)(nil)
	_ harness.TransactionStore   = (*GroupRunning)(nil)
	_ harness.BankStore          = (*GroupRunning)(nil)
)

func newGroupRunning(g Group, env *harness.Env, nodes []*harness.Node) (*GroupRunning, error) {
	c, err := newCluster(env, nodes, g.Isolation)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes[:g.Members] {
		if err := c.watch(n, c.memberBelief); err != nil {
			return nil, err
		}
	}
	r := &GroupRunning{cluster: c, declared: g, directories: map[string]*directory{}}
	c.locate = func(ctx context.Context, from harness.Vantage, last netip.AddrPort) (netip.AddrPort, error) {
		d, err := r.directory(from)
		if err != nil {
			return last, err
		}
		return d.primary(ctx)
	}
	return r, nil
}

// directory is the one that clients of a vantage share.
func (r *GroupRunning) directory(from harness.Vantage) (*directory, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.directories[from.Name()]; d != nil {
		return d, nil
	}
	d := &directory{}
	for _, p := range r.servers {
		s, err := session.New(netip.AddrPortFrom(p.node.Addr(), session.Port), session.Application, from.DialContext)
		if err != nil {
			return nil, err
		}
		d.members = append(d.members, s)
	}
	r.directories[from.Name()] = d
	return d, nil
}

// Stop implements harness.Stopper.
func (r *GroupRunning) Stop(ctx context.Context) error {
	var errs []error
	r.mu.Lock()
	for _, d := range r.directories {
		for _, s := range d.members {
			errs = append(errs, s.Close())
		}
	}
	r.mu.Unlock()
	return errors.Join(append(errs, r.cluster.Stop(ctx))...)
}

// view is the group as one member sees it.
type view struct {
	self     string // own state: ONLINE, RECOVERING, OFFLINE, ERROR
	readOnly bool
	primary  string // address of the primary it sees; "" for none
	leads    bool   // it is that primary
	online   int    // members it sees online
	listed   int    // members it sees at all
}

// majority tells whether what this member sees is the group's will.
func (v view) majority() bool { return v.self == "ONLINE" && v.online > v.listed/2 }

const viewQuery = "SELECT MEMBER_HOST AS host, MEMBER_STATE AS state, MEMBER_ROLE AS role, MEMBER_ID = @@server_uuid AS self, @@global.super_read_only AS readonly " +
	"FROM performance_schema.replication_group_members"

func look(ctx context.Context, s *session.Session) (view, error) {
	rows, err := s.Rows(ctx, viewQuery)
	v := view{self: "OFFLINE", readOnly: true, listed: len(rows)}
	for _, row := range rows {
		if row["state"] == "ONLINE" {
			v.online++
		}
		self := row["self"] == "1"
		if self {
			v.self, v.readOnly = row["state"], row["readonly"] == "1"
		}
		if row["role"] == "PRIMARY" {
			v.primary, v.leads = row["host"], self
		}
	}
	return v, err
}

// directory finds the primary as MySQL Router does: it asks the members, keeps
// the answer for a moment, and believes only a member that is online and sees
// a majority. It is shared by the clients of one place, as a Router is.
type directory struct {
	members []*session.Session

	mu   sync.Mutex
	last netip.AddrPort
	at   time.Time
}

const directoryAge = 100 * time.Millisecond

func (d *directory) primary(ctx context.Context) (netip.AddrPort, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) < directoryAge && d.last.IsValid() {
		return d.last, nil
	}
	d.last = netip.AddrPort{}
	answers := make(chan view, len(d.members))
	ctx, cancel := context.WithTimeout(ctx, locateLimit)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	for _, s := range d.members {
		group.Go(func() {
			v, _ := look(ctx, s) // a member that does not answer has no say
			answers <- v
		})
	}
	for range d.members {
		v := <-answers
		if !v.majority() || v.primary == "" {
			continue
		}
		addr, err := netip.ParseAddr(v.primary)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("the group names its primary %q: %w", v.primary, err)
		}
		cancel() // the others need not be waited for
		d.last, d.at = netip.AddrPortFrom(addr, session.Port), time.Now()
		return d.last, nil
	}
	return netip.AddrPort{}, errors.New("no member sees a majority with a primary")
}

// memberBelief asks a member. It believes that it is the primary when the group
// says so and it takes writes.
func (c *cluster) memberBelief(ctx context.Context, p *peer) (harness.Belief, error) {
	v, err := look(ctx, p.beliefs)
	if err != nil {
		return harness.Belief{}, err
	}
	b := harness.Belief{Self: harness.Replica, Primary: c.nameOf(v.primary)}
	switch {
	case v.leads && !v.readOnly:
		b.Self = harness.Primary
	case v.self != "ONLINE" && v.self != "RECOVERING":
		b.Self = harness.Unknown
	}
	return b, nil
}

// Redundancy implements harness.RedundancyReporter: members online, in the
// view of a member that sees a majority.
func (r *GroupRunning) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	views, errs := ask(r.servers, func(p *peer) (view, error) { return look(ctx, p.health) })
	answered := false
	for i, v := range views {
		answered = answered || errs[i] == nil
		if v.majority() {
			have = max(have, v.online)
		}
	}
	if !answered {
		err = fmt.Errorf("count members: none answers: %w", errors.Join(errs...))
	}
	return have, r.declared.Members, err
}

// Settle implements harness.Settler: every member is online, all see the same
// primary, and all have applied the same transactions.
func (r *GroupRunning) Settle(ctx context.Context) error {
	return settle(ctx, r.declared.Name(), r.steady)
}

func (r *GroupRunning) steady(ctx context.Context) error {
	views, errs := ask(r.servers, func(p *peer) (view, error) { return look(ctx, p.health) })
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, v := range views {
		switch name := r.servers[i].node.Name(); {
		case v.self != "ONLINE":
			return fmt.Errorf("%s is %s", name, v.self)
		case v.online != r.declared.Members:
			return fmt.Errorf("%s sees %d of %d members online", name, v.online, r.declared.Members)
		case v.primary == "" || v.primary != views[0].primary:
			return fmt.Errorf("%s sees %q as primary, %s %q", name, v.primary, r.servers[0].node.Name(), views[0].primary)
		case v.leads == v.readOnly:
			return fmt.Errorf("%s: primary is %v, read-only is %v", name, v.leads, v.readOnly)
		}
	}
	if r.declared.Backup.enabled() {
		return nil // held secondaries never have everything
	}
	sets, errs := ask(r.servers, func(p *peer) (string, error) {
		var set string
		err := p.health.Scan(ctx, "SELECT @@global.gtid_executed", &set)
		return set, err
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, set := range sets {
		if set != sets[0] {
			return fmt.Errorf("%s has %s, %s has %s", r.servers[i].node.Name(), set, r.servers[0].node.Name(), sets[0])
		}
	}
	return nil
}
