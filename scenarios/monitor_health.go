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

// monitorHealth is row monitor/health: readiness says whether requests should
// come, liveness whether a restart would help. A dependency that is away makes
// a service unready; it does not make it dead. Somebody restarts what is not
// alive, as orchestrators do, and a liveness check that asks the dependency
// has every service restarted, again and again, also for requests that never
// needed it.
func monitorHealth() []runner.Scenario {
	route := func(name, path string) gateway.Route {
		return gateway.Route{
			Name: name, Path: path, Timeout: protect.Duration(time.Second), Attempt: protect.Duration(300 * time.Millisecond), Attempts: 2,
			Health: &gateway.Health{Interval: protect.Duration(100 * time.Millisecond), Timeout: protect.Duration(300 * time.Millisecond)},
		}
	}
	safe := runner.Scenario{
		Row:        "monitor/health",
		Profile:    runner.Quick,
		Duration:   8 * time.Second,
		SLO:        record.SLO{Latency: time.Second, Success: 0.99, Stable: time.Second},
		Resolution: 250 * time.Millisecond,
		Weight:     runner.Light,
	}

	// One service of two loses its dependency.
	pool := protection.Chain{
		Services: 2, Own: true, Workers: 32, Work: 20 * time.Millisecond,
		Routes:    []gateway.Route{route("dependent", "/dependent")},
		Readiness: protection.OfDependency, Supervise: 200 * time.Millisecond,
	}
	one := safe
	one.Name = "monitor/health/dependency-of-one"
	one.Doc = "The dependency of one service of two is killed: the service says it is not ready and leaves the rotation, clients see no error, nobody is restarted."
	one.System = pool
	one.Load = load.HTTP{Rate: 60, Path: "/dependent", Clients: 64, Timeout: 1200 * time.Millisecond}
	one.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named(protection.OwnDependencyName(0)))).Lasting(3 * time.Second)}
	one.Promises = runner.Promises{
		runner.NoErrors(), runner.NoRestarts(), runner.Detect(500*time.Millisecond, time.Second),
	}

	// All services lose the one dependency; one route does not need it.
	shared := pool
	shared.Own = false
	shared.Routes = []gateway.Route{route("healthy", "/"), route("dependent", "/dependent")}
	all := safe
	all.Name = "monitor/health/dependency-of-all"
	all.Doc = "The dependency of all services hangs: none is restarted, and the route that does not need it sees nothing of it."
	all.System = shared
	all.Load = load.HTTP{Name: "healthy", Rate: 60, Path: "/", Clients: 64, Timeout: 1200 * time.Millisecond}
	all.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Named(protection.DependencyName))).Lasting(3 * time.Second)}
	all.Promises = runner.Promises{runner.NoErrors(), runner.NoRestarts()}

	storm := twin(all, "dependency-of-all-restart-storm",
		"Twin: the liveness check asks the dependency. Services that are well are restarted again and again, for as long as the dependency hangs.",
		runner.FailsOn("restarts"),
		func(s *runner.Scenario) {
			anxious := shared
			anxious.Liveness = protection.OfDependency
			s.System = anxious
		})
	unready := twin(one, "dependency-of-one-always-ready",
		"Twin: the readiness check asks nothing. The service without its dependency is never found out: it stays in the rotation, and half of the requests need a second attempt.",
		runner.FailsOn("detect"),
		func(s *runner.Scenario) {
			confident := pool
			confident.Readiness = protection.OfItself
			s.System = confident
			s.Profile = runner.Nightly
		})
	return []runner.Scenario{one, all, storm, unready}
}
