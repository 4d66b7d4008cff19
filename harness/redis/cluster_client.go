package redis

import (
	"context"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hadrill/hadrill/harness"
)

// open connects one virtual user: go-redis' cluster client, as an application
// would configure it. It follows redirections, and repeats what was refused or
// never left; the wire below it keeps it from repeating what was lost.
func (r *RunningCluster) open(ctx context.Context, from harness.Vantage) (*client, error) {
	w := &wire{from: from}
	var seeds []string
	for _, p := range r.peers {
		seeds = append(seeds, p.addr.String())
	}
	library := goredis.NewClusterClient(&goredis.ClusterOptions{
		Addrs:    seeds,
		Dialer:   w.dial,
		Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: dialLimit, ReadTimeout: replyLimit, WriteTimeout: replyLimit, PoolTimeout: replyLimit,
		ContextTimeoutEnabled:      true,
		ClusterStateReloadInterval: r.declared.Refresh,
		DisableRoutingPolicies:     true, // one key a command: the slot says where
		PoolSize:                   dialsBefore, PipelinePoolSize: -1,
	})
	shards := r.plan.shards()
	c := &client{
		UniversalClient: library, wire: w, bulk: library,
		key: func(kind string, n uint64) string { return taggedKey(kind, n, shards) },
	}
	// Every primary must answer: a user that has yet to connect to one would
	// count that as the primary's own latency.
	err := library.ForEachMaster(ctx, func(ctx context.Context, one *goredis.Client) error { return one.Ping(ctx).Err() })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the cluster: %w", err), c.Close())
	}
	return c, nil
}

// OpenSet implements harness.SetStore.
func (r *RunningCluster) OpenSet(ctx context.Context, from harness.Vantage) (harness.SetClient, error) {
	c, err := r.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &setClient{c}, nil
}

// OpenRegisters implements harness.RegisterStore.
func (r *RunningCluster) OpenRegisters(ctx context.Context, from harness.Vantage) (harness.RegisterClient, error) {
	c, err := r.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &registerClient{c}, nil
}
