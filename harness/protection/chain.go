// Package protection starts a chain of three: a gateway, a service of known
// capacity, and a dependency of some of the service's requests. It is where
// protection is tried: breakers, fallbacks, limits, retry budgets, health
// checks.
//
//	                          ┌ / ──────────▶ work
//	load ─▶ gateway ─▶ service┤
//	       (protect)          └ /dependent ─▶ work ─▶ dependency
//	                     one pool of workers
//	                     for both
//
// The service has the weaknesses of a thread pool (package service under
// components): its queue has no end, and it works on for clients that have
// gone. What keeps it useful is the gateway's business, and the routes are
// therefore the scenario's own, in the gateway's own words.
package protection

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/registry"
)

// Names of the nodes. Services and their own dependencies are numbered from 1.
const (
	GatewayName    = "gateway"
	DependencyName = "dependency"
)

// ServiceName is the name of the i-th service, from 0.
func ServiceName(i int) string { return "service-" + strconv.Itoa(i+1) }

// OwnDependencyName is the name of the dependency that the i-th service has to
// itself.
func OwnDependencyName(i int) string { return DependencyName + "-" + strconv.Itoa(i+1) }

// Health says what a service's health check asks.
type Health string

// The health checks; the zero value is OfItself.
const (
	OfItself     Health = ""           // nothing but itself
	OfDependency Health = "dependency" // its dependency, too
)

// Chain is a gateway, services and dependencies.
type Chain struct {
	Services int           // instances; default 1
	Workers  int           // requests that a service serves at once; default 8
	Work     time.Duration // how long each holds its worker; capacity is Services·Workers/Work
	// Patience is how long a service waits for its dependency; default 1 s.
	Patience time.Duration
	// Own gives each service a dependency of its own.
	Own bool
	// Routes are the gateway's; their instances are filled in.
	Routes []gateway.Route
	// Liveness and Readiness are what /live and /ready of a service ask.
	Liveness, Readiness Health
	// Supervise is how often somebody asks /live of every service and restarts
	// one that has failed three times in a row, as an orchestrator does; 0:
	// nobody does.
	Supervise time.Duration
}

var _ harness.System = Chain{}

// Name implements harness.System.
func (Chain) Name() string { return "protected-chain" }

// String is the declaration as text: routes as the gateway reads them.
func (c Chain) String() string {
	routes, err := gateway.FormatRoutes(c.Routes)
	if err != nil {
		routes = err.Error()
	}
	return fmt.Sprintf("{Services:%d Workers:%d Work:%v Patience:%v Own:%v Liveness:%q Readiness:%q Supervise:%v Routes:%s}",
		c.Services, c.Workers, c.Work, c.Patience, c.Own, c.Liveness, c.Readiness, c.Supervise, routes)
}

func (c Chain) filled() Chain {
	if c.Services == 0 {
		c.Services = 1
	}
	if c.Workers == 0 {
		c.Workers = 8
	}
	if c.Patience == 0 {
		c.Patience = time.Second
	}
	return c
}

func (c Chain) check() error {
	var errs []error
	if c.Services < 0 || c.Services > 9 {
		errs = append(errs, fmt.Errorf("field Services %d: want 1 to 9", c.Services))
	}
	if c.Workers < 0 || c.Work < 0 || c.Patience < 0 || c.Supervise < 0 {
		errs = append(errs, errors.New("numbers: want none below zero"))
	}
	if len(c.Routes) == 0 {
		errs = append(errs, errors.New("field Routes: want at least one"))
	}
	for _, h := range []Health{c.Liveness, c.Readiness} {
		if h != OfItself && h != OfDependency {
			errs = append(errs, fmt.Errorf("field Liveness or Readiness %q: want OfItself or OfDependency", h))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("protection.Chain: %w", err)
	}
	return nil
}

// Start implements harness.System: all nodes side by side.
func (c Chain) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c = c.filled()
	env.Reserve(GatewayName)
	var services, dependencies []harness.NodeSpec
	var instances []registry.Instance
	for i := range c.Services {
		dependency := DependencyName
		if c.Own {
			dependency = OwnDependencyName(i)
		}
		if i == 0 || c.Own {
			dependencies = append(dependencies, components.Spec(env, "backend", dependency, nil))
		}
		at := netip.AddrPortFrom(env.Reserve(ServiceName(i)), components.DefaultPort)
		instances = append(instances, registry.Instance{ID: ServiceName(i), Addr: at.String()})
		services = append(services, components.Spec(env, "service", ServiceName(i), c.service(env.Reserve(dependency))))
	}
	front, err := c.gateway(env, instances)
	if err != nil {
		return nil, err
	}
	nodes, err := env.Start(ctx, slices.Concat([]harness.NodeSpec{front}, services, dependencies)...)
	if err != nil {
		return nil, err
	}
	return newRunning(c, env, nodes), nil
}

// service is the settings of a service.
func (c Chain) service(dependency netip.Addr) map[string]string {
	word := func(h Health) string {
		if h == OfItself {
			return "self"
		}
		return string(h)
	}
	return map[string]string{
		"HADRILL_WORKERS": strconv.Itoa(c.Workers), "HADRILL_WORK": c.Work.String(),
		"HADRILL_DEPENDENCY":         netip.AddrPortFrom(dependency, components.DefaultPort).String(),
		"HADRILL_DEPENDENCY_TIMEOUT": c.Patience.String(),
		"HADRILL_LIVENESS":           word(c.Liveness), "HADRILL_READINESS": word(c.Readiness),
	}
}

// gateway is the gateway's node.
func (c Chain) gateway(env *harness.Env, instances []registry.Instance) (harness.NodeSpec, error) {
	routes := slices.Clone(c.Routes)
	for i := range routes {
		routes[i].Instances = instances
	}
	if err := (gateway.Config{Routes: routes}).Check(); err != nil {
		return harness.NodeSpec{}, fmt.Errorf("protection.Chain: %w", err)
	}
	text, err := gateway.FormatRoutes(routes)
	if err != nil {
		return harness.NodeSpec{}, fmt.Errorf("protection.Chain: %w", err)
	}
	return components.GatewaySpec(env, GatewayName, map[string]string{"HADRILL_ROUTES": text}), nil
}
