package shop

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

func cacheName(i int) string { return "cache-" + strconv.Itoa(i+1) }

// caches are a shop's servers of Redis: each alone, and empty when it starts.
type caches struct{ of Shop }

var _ harness.System = caches{}

// Name implements harness.System.
func (caches) Name() string { return "redis-cache" }

// Start implements harness.System.
func (c caches) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	var specs []harness.NodeSpec
	for i := range c.of.Caches {
		specs = append(specs, c.of.placed(i, harness.NodeSpec{
			Name: cacheName(i), Component: "redis",
			Command: []string{"redis-server", "--port", strconv.Itoa(cachePort), "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no"},
			Ready: func(ctx context.Context, n *harness.Node) error {
				return probe.Redis(ctx, env.Data(), netip.AddrPortFrom(n.Addr(), cachePort))
			},
		}))
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	return &runningCaches{nodes: nodes, from: env.Data()}, nil
}

// runningCaches are started caches.
type runningCaches struct {
	nodes []*harness.Node
	from  harness.Vantage
}

var _ harness.Settler = (*runningCaches)(nil)

// Nodes implements harness.Running.
func (r *runningCaches) Nodes() []*harness.Node { return r.nodes }

// Settle implements harness.Settler: every server answers.
func (r *runningCaches) Settle(ctx context.Context) error {
	for _, n := range r.nodes {
		for {
			asking, cancel := context.WithTimeout(ctx, settleLimit)
			err := probe.Redis(asking, r.from, netip.AddrPortFrom(n.Addr(), cachePort))
			cancel()
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("settle %s: %w; not steady: %w", n.Name(), ctx.Err(), err)
			case <-time.After(settlePause):
			}
		}
	}
	return nil
}
