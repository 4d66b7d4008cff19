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

	standby := kill
	standby.Profile = runner.Nightly
	standby.Name = "entry/nginx-upstream/backup-kill"
	standby.Doc = "The stand-by is killed while nobody needs it: no client notices, and nobody will until the active one dies."
	standby.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named("backend-b")))}

	// The seconds of fail_timeout are spent when nginx tries the dead server
	// again. By then nobody refuses the connection: the machine is gone, and only
	// a time-out tells.
	known := nginx.Upstream{
		Servers: []nginx.Server{
			{Name: "backend-a", Params: "max_fails=1 fail_timeout=30s"},
			{Name: "backend-b", Params: "backup"},
		},
		ConnectTimeout: 250 * time.Millisecond,
	}
	stillDead := kill
	stillDead.Profile = runner.Nightly
	stillDead.Name = "entry/nginx-upstream/still-dead"
	stillDead.Doc = "The active backend stays dead beyond fail_timeout: with a proxy_connect_timeout below its client's patience, the request that tries it again is handed on like the first, and no client sees an error."
	stillDead.System = known
	stillDead.Duration = 38 * time.Second

	// A client that gives up before proxy_connect_timeout takes its attempt with
	// it, and nginx books that as a success: an attempt that ends without a
	// failure, after the server's time was over, clears its failures
	// (ngx_http_upstream_round_robin.c, free peer: "mark peer live if check
	// passed"). From then on everybody is sent to a machine that is not there, and
	// everybody who gives up confirms it.
	patient := twin(stillDead, "still-dead-default-timeout",
		"Twin: the textbook's two lines and nothing else. proxy_connect_timeout is 60 s and clients wait for one: when fail_timeout is over, the first to give up marks the dead backend alive, and nobody is served any more, while the stand-by is idle.",
		runner.FailsOn("errors", "availability.requests"),
		func(s *runner.Scenario) { s.System = safe.System })

	// Hanging is not dying: only a time-out tells, and the default is 60 s.
	bounded := nginx.Upstream{
		Servers: []nginx.Server{
			{Name: "backend-a", Params: "max_fails=1 fail_timeout=30s"},
			{Name: "backend-b", Params: "backup"},
		},
		ReadTimeout: 200 * time.Millisecond,
	}
	hang := kill
	hang.Profile = runner.Nightly
	hang.Name = "entry/nginx-upstream/pause"
	hang.Doc = "The active backend hangs: with proxy_read_timeout the requests that meet it are late by no more than that, and the stand-by serves."
	hang.System = bounded
	hang.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Named("backend-a")))}

	hangDefault := twin(hang, "pause-default-timeout",
		"Twin: the textbook's two lines and nothing else. proxy_read_timeout is 60 s: nobody is served until then, while the stand-by is idle.",
		runner.FailsOn("errors", "availability.requests"),
		func(s *runner.Scenario) {
			unbounded := bounded
			unbounded.ReadTimeout = 0
			s.System = unbounded
		})

	// When both have failed, nginx asks neither before its fail_timeout is over,
	// whether they are back or not (ngx_http_upstream_module: max_fails). An
	// outage of a second at the backends costs clients the fail_timeout.
	blip := safe
	blip.Profile = runner.Nightly
	blip.Name = "entry/nginx-upstream/both-kill-return"
	blip.Doc = "Both backends die and are back within a second: with a short fail_timeout nginx asks them again soon."
	blip.System = nginx.Upstream{
		Servers: []nginx.Server{
			{Name: "backend-a", Params: "max_fails=1 fail_timeout=1s"},
			{Name: "backend-b", Params: "max_fails=1 fail_timeout=1s backup"},
		},
	}
	blip.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named("backend-a", "backend-b"))).Lasting(time.Second)}
	blip.Duration = 12 * time.Second
	blip.Promises = runner.Promises{runner.RTO(3*time.Second, 5*time.Second)}

	blipSeed := twin(blip, "both-kill-return-textbook",
		"Twin: the textbook's fail_timeout=30s, and 10 s by default for the stand-by. The backends are back after a second, and nginx goes on answering 502.",
		runner.FailsOn("rto"),
		func(s *runner.Scenario) { s.System = safe.System })

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

	return []runner.Scenario{null, kill, failback, standby, stillDead, patient, hang, hangDefault, blip, blipSeed, noNextUpstream}
}
