package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/nginx"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// nginxPool is row entry/nginx-pool: one nginx before three equal backends.
// A dead backend is refused at once and costs nothing; one that hangs, or is
// slow, costs each request that meets it the time nginx is willing to wait,
// which by default is a minute. A request that a backend may have acted on
// must not be repeated at another, unless it may be done twice.
func nginxPool() []runner.Scenario {
	pool := func(params string) []nginx.Server {
		return []nginx.Server{
			{Name: "backend-a", Params: params},
			{Name: "backend-b", Params: params},
			{Name: "backend-c", Params: params},
		}
	}
	system := nginx.Upstream{
		Servers:        pool("max_fails=1 fail_timeout=10s"),
		ConnectTimeout: 200 * time.Millisecond,
		ReadTimeout:    200 * time.Millisecond,
	}
	victim := harness.Named("backend-c")
	safe := runner.Scenario{
		Row:        "entry/nginx-pool",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.HTTP{Rate: 200, Path: "/"},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.999, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
		Weight:     runner.Light,
		Duration:   6500 * time.Millisecond,
	}
	unseen := runner.Promises{
		runner.NoErrors(),
		runner.Availability(1, 0.999),
		runner.RTO(50*time.Millisecond, 500*time.Millisecond),
		runner.LatencyP99(100*time.Millisecond, 450*time.Millisecond),
	}

	null := safe
	null.Name = "entry/nginx-pool/null"
	null.Doc = "No fault: three equal backends share the load, and nothing is found."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}

	kill := safe
	kill.Name = "entry/nginx-pool/kill"
	kill.Profile = runner.Quick
	kill.Doc = "One of three backends is killed: connections to it are refused at once, and no client notices."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(victim))}
	kill.Promises = unseen

	pause := kill
	pause.Profile = runner.Nightly
	pause.Name = "entry/nginx-pool/pause"
	pause.Doc = "One backend hangs: its kernel goes on accepting connections. proxy_read_timeout bounds what a request loses before nginx asks another, and one such request takes the backend out."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(victim))}

	slow := kill
	slow.Profile = runner.Nightly
	slow.Name = "entry/nginx-pool/slow"
	slow.Doc = "The way to one backend takes 400 ms longer: nginx does not wait for it, and finds out again only once in fail_timeout."
	slow.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(faults.Link{To: victim, From: faults.Side{Nodes: harness.Proxy}}, 400*time.Millisecond))}

	flapping := kill
	flapping.Profile = runner.Nightly
	flapping.Name = "entry/nginx-pool/flapping"
	flapping.Doc = "One backend dies, comes back and dies again: each time it is tried and found dead, and no client notices."
	fast := system
	fast.Servers = pool("max_fails=1 fail_timeout=1s") // so that it is tried within its short lives
	flapping.System = fast
	flapping.Faults = faults.Schedule{faults.At(2*time.Second, faults.CrashLoop(victim, 400*time.Millisecond, 8)).Lasting(6 * time.Second)}
	flapping.Duration = 12 * time.Second

	defaults := twin(pause, "pause-default-timeout",
		"Twin: proxy_read_timeout is left at its default of 60 s. Every third request hangs for longer than its client waits, and the backend is never found out.",
		runner.FailsOn("availability.requests", "latency.p99"),
		func(s *runner.Scenario) {
			patient := system
			patient.ReadTimeout = 0
			s.System = patient
		})
	defaults.Profile = runner.Quick

	// A backend that dies while it works has done the work and not said so.
	working := system
	working.Latency = 80 * time.Millisecond
	effects := safe
	effects.Name = "entry/nginx-pool/kill-effects"
	effects.System = working
	effects.Doc = "One backend is killed while requests that are not idempotent are under way: nginx does not repeat them, so each took effect at most once, and those whose fate is unknown are errors."
	effects.Load = load.Jobs{Rate: 200, Clients: 48}
	effects.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(victim))}
	effects.Promises = runner.Promises{
		runner.NoFindings(check.ExactlyOnce),
		runner.Availability(0.995, 0.95),
		runner.RTO(250*time.Millisecond, time.Second),
	}

	repeated := twin(effects, "kill-effects-non-idempotent",
		"Twin: proxy_next_upstream non_idempotent. nginx repeats at another backend what the dead one has already done: no client sees an error, and the work is done twice.",
		runner.FailsOn("check."+check.ExactlyOnce),
		func(s *runner.Scenario) {
			eager := working
			eager.NextUpstream = "error timeout non_idempotent"
			s.System = eager
		})

	return []runner.Scenario{null, kill, pause, slow, flapping, defaults, effects, repeated}
}
