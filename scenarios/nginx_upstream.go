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

// nginxUpstream is row entry/nginx-upstream: one nginx before two backends
// with the textbook configuration of an active and a stand-by server,
//
//	server A max_fails=1 fail_timeout=30s;
//	server B backup;
//
// A dies; nginx must hand the very request that found out to B, so that no
// client sees an error; and A must be tried again after fail_timeout.
func nginxUpstream() []runner.Scenario {
	safe := runner.Scenario{
		Row:     "entry/nginx-upstream",
		Profile: runner.Quick,
		System: nginx.Upstream{
			Servers: []nginx.Server{
				{Name: "backend-a", Params: "max_fails=1 fail_timeout=30s"},
				{Name: "backend-b", Params: "backup"},
			},
		},
		Load:       load.HTTP{Rate: 200, Path: "/"},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.999, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
		Weight:     runner.Light,
	}

	null := safe
	null.Name = "entry/nginx-upstream/null"
	null.Doc = "No fault: nginx and two backends under load score 100 and nothing is found."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}

	kill := safe
	kill.Name = "entry/nginx-upstream/kill"
	kill.Doc = "The active backend is killed: no client sees an error, the stand-by serves within one request."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named("backend-a")))}
	kill.Duration = 6500 * time.Millisecond
	kill.Promises = runner.Promises{
		runner.NoErrors(),
		runner.Availability(1, 0.999),
		runner.RTO(50*time.Millisecond, 500*time.Millisecond),
	}

	failback := kill
	failback.Name = "entry/nginx-upstream/failback"
	failback.Doc = "The active backend is killed and comes back: nginx tries it again after fail_timeout, and no client sees either change."
	failback.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named("backend-a"))).Lasting(3 * time.Second)}
	// fail_timeout counts from the failure: the return is due at 32 s.
	failback.Duration = 37 * time.Second
	failback.Promises = append(runner.Promises{
		runner.Returned("backend-a", 31*time.Second, 33*time.Second),
	}, kill.Promises...)

	noNextUpstream := twin(kill, "kill-no-next-upstream",
		"Twin: proxy_next_upstream off and max_fails=0. Every request that meets the dead backend is an error.",
		runner.FailsOn("errors", "availability.requests"),
		func(s *runner.Scenario) {
			s.System = nginx.Upstream{
				Servers: []nginx.Server{
					{Name: "backend-a", Params: "max_fails=0"},
					{Name: "backend-b", Params: "backup"},
				},
				NextUpstream: "off",
			}
		})

	return []runner.Scenario{null, kill, failback, noNextUpstream}
}
