package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/etcd"
	pool "github.com/hadrill/hadrill/harness/gateway"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// gatewayDiscovery is row gateway/discovery: services register with a lease of
// two seconds in etcd, and two gateways, one of them under load, send requests
// to what is registered. Whatever dies, a service, the registry's leader or the
// way to the registry, clients must see none of it; and a dead service must
// have left the rotation of both gateways long before its lease is over.
func gatewayDiscovery() []runner.Scenario {
	const lease = 2 * time.Second
	route := watchful()
	route.Balance = gateway.RoundRobin // which does not avoid by itself what fails
	system := pool.Pool{
		Gateways: 2, Services: 3, Latency: 2 * time.Millisecond, Route: route,
		Registry: &etcd.Cluster{Members: 3}, Lease: lease,
	}
	first := harness.Named(pool.ServiceName(0))
	gateways := harness.Named(pool.GatewayName(0), pool.GatewayName(1))
	members := harness.Named("etcd-1", "etcd-2", "etcd-3")
	safe := runner.Scenario{
		Row:        "gateway/discovery",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.HTTP{Rate: 300},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.999, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
	}
	unseen := runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999)}
	leaves := append(runner.Promises{
		runner.Detect(200*time.Millisecond, 300*time.Millisecond),
		runner.Removed(pool.ServiceName(0), 300*time.Millisecond, 600*time.Millisecond),
	}, unseen...)

	null := safe
	null.Name = "gateway/discovery/null"
	null.Doc = "No fault: gateways find three services in the registry, and nothing is found."
	null.Duration = 4 * time.Second
	null.Promises = append(runner.Promises{runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}, unseen...)

	kill := safe
	kill.Name = "gateway/discovery/kill"
	kill.Doc = "A service is killed and comes back: both gateways leave it alone within 300 ms, long before its lease is over, and no client sees an error."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(first)).Lasting(3 * time.Second)}
	kill.Duration = 9 * time.Second
	kill.Promises = leaves

	pause := kill
	pause.Name = "gateway/discovery/pause"
	pause.Doc = "A service freezes for longer than its lease: checks and failed attempts take it out within 300 ms; thawed, it registers again and takes its share."
	pause.Profile = runner.Quick
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(first)).Lasting(2 * lease)}
	pause.Duration = 9 * time.Second

	unchecked := twin(pause, "pause-registry-only",
		"Twin: the registry alone says who is there, no check and no failed attempt. Until the lease is over a third of all requests go to the frozen service, more than the budget allows to be made again.",
		runner.FailsOn("errors", "availability.requests", "detect"),
		func(s *runner.Scenario) { s.System = registryOnly(system) })

	byLease := pause
	byLease.Name = "gateway/discovery/pause-lease"
	byLease.Doc = "The registry alone again, and retries without a budget: it takes the lease and at most a second until both gateways leave the frozen service alone."
	byLease.Profile = runner.Nightly
	unbounded := registryOnly(system)
	unbounded.Route.Budget = nil
	byLease.System = unbounded
	byLease.Promises = append(runner.Promises{runner.Removed(pool.ServiceName(0), lease+500*time.Millisecond, lease+time.Second)}, unseen...)

	leader := safe
	leader.Name = "gateway/discovery/registry-leader-kill"
	leader.Doc = "The registry's leader is killed: nobody can renew a lease for a second, and no request notices."
	leader.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(pool.RegistryLeader)).Lasting(4 * time.Second)}
	leader.Duration = 9 * time.Second
	leader.Promises = unseen

	gone := safe
	gone.Name = "gateway/discovery/registry-kill"
	gone.Doc = "The whole registry dies for longer than the leases and comes back: nobody is listed by anything that answers, and traffic goes on as it was."
	gone.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(members)).Lasting(2*lease + time.Second)}
	gone.Duration = 13 * time.Second
	gone.Promises = unseen

	// The service dies while the gateways see the last list they had.
	cut := safe
	cut.Name = "gateway/discovery/registry-cut-kill"
	cut.Doc = "The gateways are cut off from the whole registry and go on with the last list; a service that dies meanwhile is found by checks, and no client sees an error."
	cut.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Partition{Left: faults.Side{Nodes: gateways}, Right: faults.Side{Nodes: members}}).Lasting(6 * time.Second),
		faults.At(5*time.Second, faults.Kill(first)).Lasting(4 * time.Second),
	}
	cut.Duration = 13 * time.Second
	cut.Promises = unseen

	return []runner.Scenario{null, kill, pause, byLease, leader, gone, cut, unchecked}
}

// registryOnly is the same pool without any check of the gateways' own.
func registryOnly(p pool.Pool) pool.Pool {
	p.Route.Health, p.Route.Outlier = nil, nil
	return p
}
