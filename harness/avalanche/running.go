package avalanche

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

const (
	askLimit    = 100 * time.Millisecond
	settleLimit = 3 * time.Second // one round of questions while settling
	settlePause = 25 * time.Millisecond
)

// Running is a started Cached.
type Running struct {
	declared Cached
	env      *harness.Env
	service  *harness.Node
	cache    *harness.Node
	database harness.Running
	asker    *probe.HTTP
}

var (
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.HTTPServer         = (*Running)(nil)
)

func newRunning(c Cached, env *harness.Env, service, cache *harness.Node, database harness.Running) *Running {
	return &Running{
		declared: c, env: env, service: service, cache: cache, database: database,
		asker: probe.NewHTTP(env.Data(), netip.AddrPortFrom(service.Addr(), components.DefaultPort)),
	}
}

// Nodes implements harness.Running: the service, the cache, the database.
func (r *Running) Nodes() []*harness.Node {
	return append([]*harness.Node{r.service, r.cache}, r.database.Nodes()...)
}

// URL implements harness.HTTPServer: the service's.
func (r *Running) URL() string {
	return fmt.Sprintf("http://%s", netip.AddrPortFrom(r.service.Addr(), components.DefaultPort))
}

// Stop implements harness.Stopper.
func (r *Running) Stop(ctx context.Context) error {
	r.asker.Close()
	if stopper, ok := r.database.(harness.Stopper); ok {
		return stopper.Stop(ctx)
	}
	return nil
}

// Redundancy implements harness.RedundancyReporter: whether there is a cache.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if probe.Redis(ctx, r.env.Data(), netip.AddrPortFrom(r.cache.Addr(), cachePort)) == nil {
		have = 1
	}
	return have, 1, nil
}

// Settle implements harness.Settler: the service is ready, and every item comes
// quicker than the database could say it, which is out of the cache.
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
	if err := r.get(ctx, "/ready"); err != nil {
		return err
	}
	var errs []error
	for item := 1; item <= r.declared.Items; item++ {
		began := time.Now()
		if err := r.get(ctx, fmt.Sprintf("/items?id=%d", item)); err != nil {
			return err
		}
		if took := time.Since(began); took >= r.declared.Query {
			errs = append(errs, fmt.Errorf("item %d took %v, as long as a question to the database", item, took.Round(time.Millisecond)))
		}
	}
	return errors.Join(errs...)
}

func (r *Running) get(ctx context.Context, path string) error {
	answer, err := r.asker.Get(ctx, path)
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("%s answered %d %s", path, answer.Status, answer.Body)
	}
	return err
}

// Milestone implements harness.Milestones: the database's reader knows its own
// node's words.
func (r *Running) Milestone(node, line string) (harness.Milestone, bool) {
	reader, ok := r.database.(harness.Milestones)
	if !ok || !slices.ContainsFunc(r.database.Nodes(), func(n *harness.Node) bool { return n.Name() == node }) {
		return harness.Milestone{}, false
	}
	return reader.Milestone(node, line)
}
