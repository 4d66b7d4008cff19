package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	"github.com/hadrill/hadrill/harness/protection"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// protectionDegrade is row protection/degrade: the dependency of a route dies,
// and the gateway answers in its place with something useful, marked as what
// it is. Every request is answered; how many were in a degraded way is the
// price, and is measured.
func protectionDegrade() []runner.Scenario {
	chain := func(fallback *protect.FallbackConfig) protection.Chain {
		return protection.Chain{
			Workers: 32, Work: 20 * time.Millisecond, Patience: 2 * time.Second,
			Routes: []gateway.Route{{
				Name: "dependent", Path: "/dependent", Timeout: protect.Duration(400 * time.Millisecond), Attempts: 1,
				Config: protect.Config{Breaker: &protect.BreakerConfig{Requests: 5, Probes: 2}, Fallback: fallback},
			}},
		}
	}
	kill := runner.Scenario{
		Name:    "protection/degrade/kill",
		Row:     "protection/degrade",
		Doc:     "The dependency of a route is killed and comes back: every request is answered, in the meantime in a degraded way.",
		Profile: runner.Quick,
		System:  chain(&protect.FallbackConfig{Body: "the last known answer"}),
		Load: load.HTTP{
			Rate: 60, Path: "/dependent", Degraded: protect.DegradedHeader, Clients: 64, Timeout: time.Second,
		},
		Faults:     faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named(protection.DependencyName))).Lasting(3 * time.Second)},
		Duration:   8 * time.Second,
		SLO:        record.SLO{Latency: 600 * time.Millisecond, Success: 0.99, Stable: time.Second},
		Resolution: 250 * time.Millisecond,
		Promises: runner.Promises{
			runner.NoErrors(),
			runner.Availability(1, 0.999),
			runner.Degraded(0.35, 0.2),
			runner.Detect(time.Second, 1500*time.Millisecond),
		},
		Weight: runner.Light,
	}
	hang := kill
	hang.Name = "protection/degrade/hang"
	hang.Doc = "The dependency of a route hangs: every request is answered, the first ones after the route's time-out, the others at once."
	hang.Profile = runner.Nightly
	hang.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Named(protection.DependencyName))).Lasting(3 * time.Second)}

	bare := twin(kill, "kill-no-fallback",
		"Twin: no fallback. Requests fail for as long as the dependency is away.",
		runner.FailsOn("errors", "availability.requests"),
		func(s *runner.Scenario) { s.System = chain(nil) })
	return []runner.Scenario{kill, hang, bare}
}
