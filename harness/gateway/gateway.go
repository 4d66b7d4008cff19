// Package gateway starts gateways before a pool of equal services, with or
// without a registry between them.
//
//	                  ┌──▶ service-1 ─┐ register with a lease
//	load ─▶ gateway-1 ┼──▶ service-2 ─┤
//	        gateway-2 ┘──▶ service-3 ─┤
//	            │                     ▼
//	            └──── watch ────▶ etcd-1, etcd-2, etcd-3
//
// What is drilled here is who is sent requests: how soon a dead, frozen or slow
// instance is left alone, and what clients see of it until then. The route is
// the scenario's own, in the gateway's own words.
//
// Operations are signals: faults.Signal(nodes, "USR2") to a gateway is a hot
// upgrade, another process takes its sockets over; "TERM" to a service ends it
// the gentle way, out of the registry first, then unready for Drain, then no
// more. Drain must then be longer than it takes the gateway to look away: Fall
// intervals of its health check, and one more.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/registry"
	"github.com/hadrill/hadrill/harness/etcd"
)

// routeName is the one route of every gateway here.
const routeName = "all"

// Pool is gateways before services. A zero field is the default.
type Pool struct {
	Gateways int // default 1; load goes to the first, the others are watched
	Services int // default 3

	// Route is the gateways' route; Name, Path and instances are filled in.
	Route proxy.Route

	// Registry is where services register; nil: the gateways are given a list.
	Registry *etcd.Cluster
	Lease    time.Duration // of a registration; default 2 s

	// Latency and Cost are how long a service waits, and computes, a request.
	Latency time.Duration
	Cost    time.Duration
	// Drain is how long a service that is told to end goes on taking requests.
	Drain time.Duration
	// EndAtOnce lets a service that is told to end do so without a word.
	EndAtOnce bool
}

var _ harness.System = Pool{}

// Name implements harness.System.
func (Pool) Name() string { return "gateway-pool" }

// GatewayName is the name of the i-th gateway, from 0.
func GatewayName(i int) string { return "gateway-" + strconv.Itoa(i+1) }

// ServiceName is the name of the i-th service, from 0.
func ServiceName(i int) string { return "service-" + strconv.Itoa(i+1) }

// String is the declaration as text: the route as the gateway reads it.
func (p Pool) String() string {
	route, err := proxy.FormatRoutes([]proxy.Route{p.Route})
	if err != nil {
		route = err.Error()
	}
	where := "list"
	if p.Registry != nil {
		where = fmt.Sprintf("%+v lease %s", *p.Registry, p.Lease)
	}
	return fmt.Sprintf("{Gateways:%d Services:%d Registry:%s Latency:%v Cost:%v Drain:%v EndAtOnce:%v Route:%s}",
		p.Gateways, p.Services, where, p.Latency, p.Cost, p.Drain, p.EndAtOnce, route)
}

func (p Pool) filled() Pool {
	if p.Gateways == 0 {
		p.Gateways = 1
	}
	if p.Services == 0 {
		p.Services = 3
	}
	if p.Lease == 0 {
		p.Lease = registry.DefaultLease
	}
	return p
}

func (p Pool) check() error {
	var errs []error
	if p.Gateways < 0 || p.Gateways > 9 || p.Services < 0 || p.Services > 9 {
		errs = append(errs, errors.New("fields Gateways, Services: want 1 to 9"))
	}
	if p.Latency < 0 || p.Cost < 0 || p.Drain < 0 {
		errs = append(errs, errors.New("durations: want none below zero"))
	}
	if p.Lease < 0 || p.Lease%time.Second != 0 {
		errs = append(errs, errors.New("field Lease: want whole seconds"))
	}
	if p.Route.Name != "" || p.Route.Path != "" || p.Route.Service != "" || len(p.Route.Instances) > 0 {
		errs = append(errs, errors.New("field Route: Name, Path, Service and Instances are filled in"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("gateway.Pool: %w", err)
	}
	return nil
}

// Start implements harness.System. The registry stands first: a gateway is
// ready only when it knows its instances.
func (p Pool) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	r, err := p.StartPool(ctx, env)
	if err != nil {
		return nil, err // not an interface around nothing
	}
	return r, nil
}

// StartPool is Start for systems that are built on a pool.
func (p Pool) StartPool(ctx context.Context, env *harness.Env) (*Running, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	p = p.filled()
	for i := range p.Gateways {
		env.Reserve(GatewayName(i))
	}
	services := make([]netip.Addr, p.Services)
	for i := range services {
		services[i] = env.Reserve(ServiceName(i))
	}
	var members *etcd.Running
	if p.Registry != nil {
		var err error
		if members, err = p.Registry.StartCluster(ctx, env); err != nil {
			return nil, err
		}
	}
	specs, err := p.specs(env, services, members)
	if err != nil {
		return nil, errors.Join(err, stop(ctx, members))
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, errors.Join(err, stop(ctx, members))
	}
	return newRunning(p, env, nodes, members), nil
}

func stop(ctx context.Context, members *etcd.Running) error {
	if members == nil {
		return nil
	}
	return members.Stop(ctx)
}

// specs are the nodes of gateways and services.
func (p Pool) specs(env *harness.Env, services []netip.Addr, members *etcd.Running) ([]harness.NodeSpec, error) {
	route := p.Route
	route.Name = routeName
	gateways, instances := map[string]string{}, map[string]string{}
	if members != nil {
		where := strings.Join(members.Endpoints(), ",")
		gateways["HADRILL_REGISTRY"], instances["HADRILL_REGISTRY"] = where, where
		instances["HADRILL_LEASE"], instances["HADRILL_SERVICE"] = p.Lease.String(), "service"
		route.Service = "service"
	} else {
		for i, addr := range services {
			route.Instances = append(route.Instances, registry.Instance{ID: ServiceName(i), Addr: netip.AddrPortFrom(addr, components.DefaultPort).String()})
		}
	}
	text, err := proxy.FormatRoutes([]proxy.Route{route})
	if err != nil {
		return nil, fmt.Errorf("gateway.Pool: %w", err)
	}
	gateways["HADRILL_ROUTES"] = text
	for key, d := range map[string]time.Duration{"HADRILL_LATENCY": p.Latency, "HADRILL_COST": p.Cost, "HADRILL_DRAIN": p.Drain} {
		if d > 0 {
			instances[key] = d.String()
		}
	}
	if p.EndAtOnce {
		instances["HADRILL_END"] = "at-once"
	}
	var specs []harness.NodeSpec
	for i := range p.Gateways {
		specs = append(specs, components.GatewaySpec(env, GatewayName(i), gateways))
	}
	for i := range p.Services {
		specs = append(specs, components.Spec(env, "backend", ServiceName(i), instances))
	}
	return specs, nil
}
