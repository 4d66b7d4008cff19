package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/vip"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// entryL4 is row entry/l4: two HAProxies in TCP mode share one address, as a
// pair of hardware balancers does. A balancer of connections knows nothing of
// requests: a connection lives and dies with the owner of the address and with
// the backend it was given. So the two lanes mean different things here: what
// was kept is lost and counted, what is new must be served soon.
func entryL4() []runner.Scenario {
	system := vip.Pair{Proxy: vip.HAProxy, CheckInterval: 200 * time.Millisecond, BackendCheck: 100 * time.Millisecond}
	backend := harness.Named("backend-1")
	safe := runner.Scenario{
		Row:        "entry/l4",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.HTTP{Rate: 300, Path: "/"},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
		Weight:     runner.Light,
		Duration:   7 * time.Second,
	}
	fresh := func(target, limit time.Duration) record.Objective {
		return record.Objective{Name: "outage@http/fresh", Kind: record.KindAvailability, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
	}
	kept := func(target, limit float64) record.Objective {
		return record.Objective{Name: "errors@http/pooled", Kind: record.KindAvailability, Unit: "ops", Target: target, Limit: limit}
	}

	null := safe
	null.Name = "entry/l4/null"
	null.Doc = "No fault: connections are passed on, and every request on them is answered."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.NoFindings(check.SingleOwner)}

	kill := safe
	kill.Name = "entry/l4/kill"
	kill.Profile = runner.Quick
	kill.Doc = "The owner of the address dies: new connections are served by the other within three adverts, kept ones are lost and made anew."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Primary))}
	kill.Promises = runner.Promises{
		runner.RTO(400*time.Millisecond, time.Second),
		fresh(500*time.Millisecond, time.Second),
		kept(80, 200),
		runner.NoFindings(check.SingleOwner),
	}

	dead := kill
	dead.Profile = runner.Nightly
	dead.Name = "entry/l4/haproxy-death"
	dead.Doc = "HAProxy dies on the owner while keepalived lives: the check finds out, and the node gives the address up."
	dead.Faults = faults.Schedule{faults.At(2*time.Second, faults.Signal(harness.Primary, "USR1"))}

	pause := safe
	pause.Name = "entry/l4/backend-pause"
	pause.Doc = "One of two backends hangs, its kernel goes on accepting connections: its health check fails, its connections are shut down, and new ones go to the other."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(backend))}
	pause.Promises = runner.Promises{
		runner.RTO(500*time.Millisecond, time.Second),
		runner.Availability(0.97, 0.9),
		runner.NoFindings(check.SingleOwner),
	}

	unchecked := twin(pause, "backend-pause-no-check",
		"Twin: no health check of the backends. A balancer of connections sees a connection accepted and is content: every second connection hangs, for good.",
		runner.FailsOn("rto", "availability.requests"),
		func(s *runner.Scenario) {
			blind := system
			blind.BackendCheck = 0
			s.System = blind
		})
	unchecked.Profile = runner.Quick

	drain := safe
	drain.Name = "entry/l4/backend-drain"
	drain.Doc = "A backend is taken out of service in good order: it says that it is not ready, gets no new connection, ends the kept ones answer by answer, and then itself."
	gentle := system
	gentle.Drain = time.Second
	drain.System = gentle
	drain.Faults = faults.Schedule{faults.At(2*time.Second, faults.Stop(backend))}
	drain.Promises = runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.NoFindings(check.SingleOwner)}

	return []runner.Scenario{null, kill, dead, pause, unchecked, drain}
}
