// Package avalanche starts a service that lives on its cache: the order
// service of harness/components/orders, a Redis that answers nearly every
// question, and a MySQL that could not answer them all.
//
//	readers ──▶ orders ──▶ Redis      hot items, a millisecond
//	              └─ on a miss ─▶ MySQL   Query long, on at most 32 connections
//
// What a database query costs is declared and does not depend on the machine:
// the table that the service reads is a view whose rows take their time. So
// the database can do 32/Query questions a second, and when the cache is gone
// the question is how many of the readers' questions come through to it.
package avalanche

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
	"github.com/hadrill/hadrill/harness/mysql"
)

// Names of the nodes.
const (
	ServiceName = "orders"
	CacheName   = "redis"

	databaseName = "mysql-1"
	databasePort = 3306
	cachePort    = 6379
)

// Cached is one instance of the order service with its cache and database.
type Cached struct {
	Items int           // that are for sale, and in the cache when the load begins
	Query time.Duration // what reading one from the database takes
	Fresh time.Duration // how long the cache's answer is fresh
	// NoGuards leaves out what keeps misses from the database: single-flight,
	// stale answers, jittered lifetimes.
	NoGuards bool
}

var _ harness.System = Cached{}

// Name implements harness.System.
func (Cached) Name() string { return "cached-service" }

func (c Cached) check() error {
	switch {
	case c.Items < 1 || c.Items > 1000:
		return fmt.Errorf("avalanche.Cached: field Items %d: want 1 to 1000", c.Items)
	case c.Query < time.Millisecond || c.Query > time.Second:
		return fmt.Errorf("avalanche.Cached: field Query %v: want 1ms to 1s", c.Query)
	case c.Fresh <= 0:
		return fmt.Errorf("avalanche.Cached: field Fresh %v: want more than 0", c.Fresh)
	}
	return nil
}

// Start implements harness.System: database and cache side by side, the tables,
// then the service, which finds every item in the cache.
func (c Cached) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	var database harness.Running
	var cache []*harness.Node
	env.Reserve(ServiceName)
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if database, err = (mysql.Single{}).Start(starting, env); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		return database.(harness.Settler).Settle(starting)
	})
	group.Go(func() (err error) {
		cache, err = env.Start(starting, redis(env))
		return err
	})
	stop := func(err error) error {
		if stopper, ok := database.(harness.Stopper); ok {
			err = errors.Join(err, stopper.Stop(ctx))
		}
		return err
	}
	if err := group.Wait(); err != nil {
		return nil, stop(err)
	}
	if err := c.fill(ctx, env); err != nil {
		return nil, stop(err)
	}
	service, err := env.Start(ctx, components.Spec(env, "orders", ServiceName, c.settings(env)))
	if err != nil {
		return nil, stop(err)
	}
	return newRunning(c, env, service[0], cache[0], database), nil
}

func (c Cached) settings(env *harness.Env) map[string]string {
	guards := "on"
	if c.NoGuards {
		guards = "off"
	}
	return map[string]string{
		"HADRILL_MYSQL":  netip.AddrPortFrom(env.Reserve(databaseName), databasePort).String(),
		"HADRILL_REDIS":  netip.AddrPortFrom(env.Reserve(CacheName), cachePort).String(),
		"HADRILL_GUARDS": guards, "HADRILL_FRESH": c.Fresh.String(), "HADRILL_SLOTS": strconv.Itoa(slots),
	}
}

// slots are more than ever wait for the database, which is the bottleneck here.
const slots = 4096

// redis is a cache and nothing more: what it keeps is gone with the process.
func redis(env *harness.Env) harness.NodeSpec {
	return harness.NodeSpec{
		Name: CacheName, Component: "redis",
		Command: []string{"redis-server", "--port", strconv.Itoa(cachePort), "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no"},
		Ready: func(ctx context.Context, n *harness.Node) error {
			return probe.Redis(ctx, env.Data(), netip.AddrPortFrom(n.Addr(), cachePort))
		},
	}
}
