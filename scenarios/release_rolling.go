package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/etcd"
	pool "github.com/hadrill/hadrill/harness/gateway"
	"github.com/hadrill/hadrill/harness/nginx"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// releaseRolling is row release/rolling: a new version goes out while customers
// shop. Every instance is asked to end, ends what it has begun, and is started
// again, one after the other; the proxy reads its configuration again. Nobody
// may see any of it: the promise is that not one request fails, over kept
// connections and over fresh ones.
//
// A release waits for each instance to serve again before it goes on to the
// next: on a busy machine that takes seconds.
func releaseRolling() []runner.Scenario {
	return append(gatewayReleases(), nginxReleases()...)
}

// released is a release that nobody may see.
func released() runner.Scenario {
	return runner.Scenario{
		Row:        "release/rolling",
		Profile:    runner.Nightly,
		SLO:        record.SLO{Latency: time.Second, Success: 0.999, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
		Promises:   runner.Promises{runner.NoErrors(), runner.Availability(1, 0.9999)},
	}
}

// gatewayReleases are releases behind hadrill's gateway, which learns from the
// registry that an instance is going before it goes. Requests are POSTs, which
// no proxy may repeat elsewhere once they have left: nothing hides a release
// that was done badly.
func gatewayReleases() []runner.Scenario {
	system := pool.Pool{
		Services: 3, Latency: 50 * time.Millisecond, Drain: 500 * time.Millisecond,
		Registry: &etcd.Cluster{Members: 1},
		Route: gateway.Route{
			Balance: gateway.TwoChoices, Timeout: gateway.Duration(900 * time.Millisecond),
			Health: &gateway.Health{}, Outlier: &gateway.Outlier{},
		},
	}
	service := []string{pool.ServiceName(0), pool.ServiceName(1), pool.ServiceName(2)}
	upgrade := faults.Signal(harness.Named(pool.GatewayName(0)), "USR2")
	safe := released()
	safe.System = system
	safe.Load = load.HTTP{Rate: 200, Method: "POST", Path: "/"}

	instances := safe
	instances.Name = "release/rolling/instances"
	instances.Doc = "Every instance is asked to end and started again, one after the other: it takes itself out of the registry, serves on until the gateway has seen that, ends what it has begun, and no request fails."
	instances.Profile = runner.Quick
	instances.Faults = rolled(joins, service...)
	instances.Duration = 14 * time.Second // three times what it takes to end, start and be found again, on a busy machine

	atOnce := twin(instances, "instances-at-once",
		"Twin: instances end at once, as a program that does not handle the signal. What they had begun fails, and may not be repeated.",
		runner.FailsOn("errors"),
		func(s *runner.Scenario) {
			abrupt := system
			abrupt.EndAtOnce = true
			s.System = abrupt
		})

	upgraded := safe
	upgraded.Name = "release/rolling/gateway-upgrade"
	upgraded.Doc = "The gateway hands its listening sockets to a successor, three times under load: no connection is refused, and no request fails."
	upgraded.Faults = faults.Schedule{faults.At(time.Second, upgrade), faults.At(3*time.Second, upgrade), faults.At(5*time.Second, upgrade)}
	upgraded.Duration = 7 * time.Second

	everything := safe
	everything.Name = "release/rolling/everything"
	everything.Doc = "More than 50,000 requests while all instances are released twice, and the gateway upgraded before, between and after."
	everything.Load = load.HTTP{Rate: 900, Method: "POST", Path: "/"}
	// At their times, and not on the gateway's word: its successor says of every
	// instance that it joins.
	restart := func(i int) faults.Fault { return faults.Restart(harness.Named(service[i])) }
	everything.Faults = faults.Schedule{
		faults.At(2*time.Second, upgrade),
		faults.At(5*time.Second, restart(0)), faults.At(13*time.Second, restart(1)), faults.At(21*time.Second, restart(2)),
		faults.At(29*time.Second, upgrade),
		faults.At(32*time.Second, restart(0)), faults.At(40*time.Second, restart(1)), faults.At(48*time.Second, restart(2)),
		faults.At(56*time.Second, upgrade),
	}
	everything.Duration = 58 * time.Second
	everything.Weight = runner.Exclusive // 900 requests a second through a gateway, beside the control lane

	return []runner.Scenario{instances, atOnce, upgraded, everything}
}

// nginxReleases are releases behind nginx, which learns that an instance is
// gone by asking it in vain. It asks another one then, for requests that may be
// repeated.
func nginxReleases() []runner.Scenario {
	behind := func(params string) []nginx.Server {
		return []nginx.Server{{Name: "backend-a", Params: params}, {Name: "backend-b", Params: params}, {Name: "backend-c", Params: params}}
	}
	instances := nginx.Upstream{
		// nginx leaves out a server that refused a connection, for 10 s unless
		// told otherwise: longer than it takes to come to the next one.
		Servers: behind("max_fails=1 fail_timeout=1s"),
		Latency: 50 * time.Millisecond, Drain: 500 * time.Millisecond,
	}
	safe := released()
	safe.System = instances
	safe.Load = load.HTTP{Rate: 300, Path: "/"}

	nginxInstances := safe
	nginxInstances.Name = "release/rolling/nginx-instances"
	nginxInstances.Doc = "Behind nginx, every instance is asked to end and started again, one after the other: each ends what it has begun, nginx asks another where one refuses, and no request fails."
	nginxInstances.Faults = rolled(serves, "backend-a", "backend-b", "backend-c")
	nginxInstances.Duration = 14 * time.Second

	unforgiving := twin(nginxInstances, "nginx-instances-no-next-upstream",
		"Twin: proxy_next_upstream off. nginx is not told that an instance is going, so each release is met by requests that it may not repeat elsewhere. (It repeats no POST that has left in any case: to it this is every release that does not take the instance out of the configuration first.)",
		runner.FailsOn("errors"),
		func(s *runner.Scenario) {
			single := instances
			single.NextUpstream = "off"
			s.System = single
		})

	hasty := twin(nginxInstances, "nginx-instances-fail-timeout",
		"Twin: nginx' own fail_timeout of 10 s, and a release that does not wait for it. Each instance is left out for having been away once, until none is left: no live upstreams.",
		runner.FailsOn("errors"),
		func(s *runner.Scenario) {
			patient := instances
			patient.Servers = behind("")
			s.System = patient
		})

	reload := safe
	reload.Name = "release/rolling/nginx-reload"
	// A worker that ends closes its idle connections, and a request may be on
	// its way into one: about one in a few reloads at 150 requests a second.
	// keepalive_min_timeout closes that hole from nginx 1.27.4 on.
	reload.Doc = "nginx reads its configuration again, three times under load: new workers take over, the old ones end what they have begun, and no new connection fails. Found: up to nginx 1.27.3 a request over a kept connection can, once in a few reloads, because old workers close idle connections at once."
	reload.Faults = faults.Schedule{
		faults.At(time.Second, faults.Signal(harness.Named("nginx"), "HUP")),
		faults.At(3*time.Second, faults.Signal(harness.Named("nginx"), "HUP")),
		faults.At(5*time.Second, faults.Signal(harness.Named("nginx"), "HUP")),
	}
	reload.Duration = 7 * time.Second
	fresh, kept := runner.NoErrors(), runner.NoErrors()
	fresh.Name, kept.Name, kept.Limit = "errors@http/fresh", "errors@http/pooled", float64(len(reload.Faults))
	reload.Promises = runner.Promises{fresh, kept, runner.Availability(1, 0.998)}

	return []runner.Scenario{nginxInstances, unforgiving, hasty, reload}
}

// serves is the word of an instance that it serves.
func serves(node string) faults.Match {
	return faults.Match{Kind: faults.EventLog, Node: node, Text: "serves on port"}
}

// joins is the word of the gateway that it sends requests to an instance.
func joins(node string) faults.Match {
	return faults.Match{Kind: faults.EventLog, Node: pool.GatewayName(0), Text: "rotation: " + node + " joins"}
}

// rolled restarts nodes one after the other, each half a second after it was
// said of the one before that it is back.
func rolled(back func(node string) faults.Match, nodes ...string) faults.Schedule {
	schedule := faults.Schedule{faults.At(time.Second, faults.Restart(harness.Named(nodes[0])))}
	for i, n := range nodes[1:] {
		schedule = append(schedule, faults.On(back(nodes[i]), faults.Restart(harness.Named(n))).Delayed(500*time.Millisecond))
	}
	return schedule
}
