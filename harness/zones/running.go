package zones

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql"
	"github.com/hadrill/hadrill/harness/vip"
)

// Running is a started Dual. Its roles are the database's: who may write.
type Running struct {
	entry *vip.Running
	data  *mysql.SemiSyncRunning
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.HTTPServer         = (*Running)(nil)
	_ harness.SetStore           = (*Running)(nil)
)

// Nodes implements harness.Running: the entry's, then the data's.
func (r *Running) Nodes() []*harness.Node { return slices.Concat(r.entry.Nodes(), r.data.Nodes()) }

// URL implements harness.HTTPServer: the shared address.
func (r *Running) URL() string { return r.entry.URL() }

// OpenSet implements harness.SetStore.
func (r *Running) OpenSet(ctx context.Context, from harness.Vantage) (harness.SetClient, error) {
	return r.data.OpenSet(ctx, from)
}

// Beliefs implements harness.RoleReporter: the database's.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief { return r.data.Beliefs(ctx) }

// Redundancy implements harness.RedundancyReporter: of both.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	return redundancy(ctx, r.entry, r.data)
}

// redundancy sums up what several systems say, all asked at once.
func redundancy(ctx context.Context, of ...harness.RedundancyReporter) (have, want int, err error) {
	haves, wants := make([]int, len(of)), make([]int, len(of))
	group, ctx := errgroup.WithContext(ctx)
	for i, one := range of {
		group.Go(func() (err error) {
			haves[i], wants[i], err = one.Redundancy(ctx)
			return err
		})
	}
	err = group.Wait()
	for i := range of {
		have, want = have+haves[i], want+wants[i]
	}
	return have, want, err
}

// Settle implements harness.Settler: both are steady.
func (r *Running) Settle(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.entry.Settle(ctx) })
	group.Go(func() error { return r.data.Settle(ctx) })
	return group.Wait()
}

// Milestone implements harness.Milestones. The failure and the new owner are
// the database's to declare; what the entry says of itself is kept beside it.
func (r *Running) Milestone(node, line string) (harness.Milestone, bool) {
	if !slices.ContainsFunc(r.entry.Nodes(), func(n *harness.Node) bool { return n.Name() == node }) {
		return r.data.Milestone(node, line)
	}
	m, ok := r.entry.Milestone(node, line)
	m.Declared, m.Owner = false, false
	return m, ok
}

// Stop implements harness.Stopper.
func (r *Running) Stop(ctx context.Context) error {
	var errs []error
	if r.entry != nil {
		errs = append(errs, r.entry.Stop(ctx))
	}
	if r.data != nil {
		errs = append(errs, r.data.Stop(ctx))
	}
	return errors.Join(errs...)
}
