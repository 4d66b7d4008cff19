package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
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
	behind := func(params string) []nginx.Server {
		return []nginx.Server{{Name: "backend-a", Params: params}, {Name: "backend-b", Params: params}, {Name: "backend-c", Params: params}}
	}
	instances := nginx.Upstream{
		// nginx leaves out a server that refused a connection, for 10 s unless
		// told otherwise: longer than it takes to come to the next one.
		Servers: behind("max_fails=1 fail_timeout=1s"),
		Latency: 50 * time.Millisecond, Drain: 500 * time.Millisecond,
	}
	safe := runner.Scenario{
		Row:        "release/rolling",
		Profile:    runner.Nightly,
		System:     instances,
		Load:       load.HTTP{Rate: 300, Path: "/"},
		SLO:        record.SLO{Latency: time.Second, Success: 0.999, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
		Promises:   runner.Promises{runner.NoErrors(), runner.Availability(1, 0.9999)},
	}

	nginxInstances := safe
	nginxInstances.Name = "release/rolling/nginx-instances"
	nginxInstances.Doc = "Behind nginx, every instance is asked to end and started again, one after the other: each ends what it has begun, nginx asks another where one refuses, and no request fails."
	nginxInstances.Profile = runner.Quick
	nginxInstances.Faults = rolled("backend-a", "backend-b", "backend-c")
	nginxInstances.Duration = 9 * time.Second

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
	hasty.Profile = runner.Nightly

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

// rolled restarts nodes one after the other, each half a second after the one
// before it said that it serves again.
func rolled(nodes ...string) faults.Schedule {
	schedule := faults.Schedule{faults.At(time.Second, faults.Restart(harness.Named(nodes[0])))}
	for i, n := range nodes[1:] {
		ready := faults.Match{Kind: faults.EventLog, Node: nodes[i], Text: "serves on port"}
		schedule = append(schedule, faults.On(ready, faults.Restart(harness.Named(n))).Delayed(500*time.Millisecond))
	}
	return schedule
}
