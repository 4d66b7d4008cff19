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

// protectionBreaker is row protection/breaker: a gateway before a service whose
// workers serve two routes, one of which waits for a dependency. When the
// dependency hangs, each request to it holds a worker for as long as the
// service is patient; without a breaker the workers run out, and the route
// that never needed the dependency starves with the other.
//
//	workers  32 │ healthy 60/s · 150 ms = 9 │ dependent 20/s · 2.15 s = 43 when it hangs
func protectionBreaker() []runner.Scenario {
	chain := func(breaker *protect.BreakerConfig) protection.Chain {
		return protection.Chain{
			Workers: 32, Work: 150 * time.Millisecond, Patience: 2 * time.Second,
			Routes: []gateway.Route{
				{Name: "healthy", Path: "/", Timeout: protect.Duration(2 * time.Second), Attempts: 1},
				{
					Name: "dependent", Path: "/dependent", Timeout: protect.Duration(400 * time.Millisecond), Attempts: 1,
					Config: protect.Config{Breaker: breaker},
				},
			},
		}
	}
	const healthy = "healthy/pooled"
	hang := runner.Scenario{
		Name:    "protection/breaker/hang",
		Row:     "protection/breaker",
		Doc:     "A dependency hangs: the breaker of its route opens within a second, the route that does not need it stays as quick as it was, and half-open probes bring the other back.",
		Profile: runner.Quick,
		System:  chain(&protect.BreakerConfig{Requests: 5, Probes: 2}),
		Load: load.Combine(
			load.HTTP{Name: "healthy", Rate: 60, Path: "/", Connections: []string{load.Pooled}, Clients: 64, Timeout: 2500 * time.Millisecond},
			load.HTTP{Name: "dependent", Rate: 20, Path: "/dependent", Connections: []string{load.Pooled}, Clients: 32, Timeout: time.Second},
		),
		Faults:   faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Named(protection.DependencyName))).Lasting(4 * time.Second)},
		Duration: 10 * time.Second,
		SLO:      record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: time.Second},
		Promises: runner.Promises{
			runner.Detect(800*time.Millisecond, time.Second),
			on(healthy, runner.LatencyRise(0.1, 0.2)),
			on(healthy, runner.NoErrors()),
			runner.Failback(1500*time.Millisecond, 2500*time.Millisecond),
		},
		Weight: runner.Light,
	}
	cascade := twin(hang, "hang-no-breaker",
		"Twin: no breaker. Requests to the dependency hold every worker, and the route that does not need it starves.",
		runner.FailsOn("latency.p99.rise@"+healthy, "errors@"+healthy),
		func(s *runner.Scenario) { s.System = chain(nil) })
	return []runner.Scenario{hang, cascade}
}
