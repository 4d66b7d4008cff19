package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	pool "github.com/hadrill/hadrill/harness/gateway"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// watchful is a route that leaves a dead instance alone within 300 ms, found by
// whichever is first: three failed attempts in a row, or two failed checks.
func watchful() gateway.Route {
	return gateway.Route{
		Balance: gateway.TwoChoices,
		Timeout: gateway.Duration(900 * time.Millisecond), Attempt: gateway.Duration(150 * time.Millisecond), Attempts: 3,
		Health:  &gateway.Health{Interval: gateway.Duration(100 * time.Millisecond), Timeout: gateway.Duration(150 * time.Millisecond), Fall: 2},
		Outlier: &gateway.Outlier{Failures: 3, Eject: gateway.Duration(time.Second)},
		Config:  protect.Config{Budget: &protect.BudgetConfig{Ratio: 0.1, Burst: 40}},
	}
}

// gatewayBalance is row gateway/balance: a gateway before three equal services.
// One of them dies, freezes or becomes a hundred times slower: clients must see
// none of it, because the others get its share.
func gatewayBalance() []runner.Scenario {
	safe := runner.Scenario{
		Row:        "gateway/balance",
		Profile:    runner.Nightly,
		System:     pool.Pool{Services: 3, Latency: 2 * time.Millisecond, Route: watchful()},
		Load:       load.HTTP{Rate: 300},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.999, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
	}
	first := harness.Named(pool.ServiceName(0))

	null := safe
	null.Name = "gateway/balance/null"
	null.Doc = "No fault: a gateway and three services under load score 100 and nothing is found."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.LatencyP99(50*time.Millisecond, 250*time.Millisecond)}

	kill := safe
	kill.Name = "gateway/balance/kill"
	kill.Doc = "A service is killed and comes back: the requests that find out are made again elsewhere, so no client sees an error, and it is left alone at once."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(first)).Lasting(2 * time.Second)}
	kill.Duration = 7500 * time.Millisecond
	// After its first failure it is hardly chosen any more, so it may be the
	// checks that find it; row gateway/discovery has the choice that does not.
	kill.Promises = runner.Promises{
		runner.NoErrors(), runner.Availability(1, 0.999),
		runner.Detect(350*time.Millisecond, 600*time.Millisecond),
		runner.Removed(pool.ServiceName(0), 400*time.Millisecond, 800*time.Millisecond),
	}

	pause := kill
	pause.Name = "gateway/balance/pause"
	pause.Doc = "A service freezes, so that its kernel still takes connections: attempts are given up after 150 ms and made again elsewhere; thawed, it takes its share again."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(first)).Lasting(3 * time.Second)}
	pause.Duration = 9 * time.Second

	// What is left without checks and ejection is the choice alone. The slow
	// service answers in a second: far above what a busy machine does to all.
	choice := watchful()
	choice.Health, choice.Outlier = nil, nil
	choice.Timeout, choice.Connect, choice.Attempt = gateway.Duration(3*time.Second), gateway.Duration(3*time.Second), 0
	slow := safe
	slow.Name = "gateway/balance/slow"
	slow.Doc = "A service becomes some hundred times slower and passes every check: of two at random the gateway takes the one with less latency times load, so the slow one's share falls to next to nothing."
	slow.Profile = runner.Quick
	slow.System = pool.Pool{Services: 3, Latency: 2 * time.Millisecond, Route: choice}
	slow.Load = load.HTTP{Rate: 300, Timeout: 3 * time.Second}
	slow.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(faults.Link{To: first, From: faults.Side{Nodes: harness.Named(pool.GatewayName(0))}}, time.Second)).Lasting(4 * time.Second)}
	slow.Duration = 8 * time.Second
	slow.SLO.Success = 0.98
	slow.Promises = runner.Promises{
		runner.LatencyP99(100*time.Millisecond, 500*time.Millisecond),
		runner.Availability(0.995, 0.98),
	}

	roundRobin := twin(slow, "slow-round-robin",
		"Twin: each service in its turn. A third of all requests wait for the slow one.",
		runner.FailsOn("latency.p99", "availability.requests"),
		func(s *runner.Scenario) { s.System = balanced(s.System, gateway.RoundRobin) })

	// With as few requests under way as here the slow one is chosen whenever it
	// has answered: about one request a second is what it gets.
	leastLoaded := slow
	leastLoaded.Name = "gateway/balance/slow-least-loaded"
	leastLoaded.Doc = "The same with the fewest requests under way as the choice: the slow service holds one request at a time, so its share is bounded by its own slowness."
	leastLoaded.Profile = runner.Nightly
	leastLoaded.System = balanced(slow.System, gateway.LeastLoaded)
	leastLoaded.Promises = runner.Promises{runner.Availability(0.98, 0.95)}
	leastLoaded.SLO.Success = 0.95

	hashed := kill
	hashed.Name = "gateway/balance/kill-consistent-hash"
	hashed.Doc = "Requests of one client are kept at one service by consistent hashing, and that one is killed: they all move to another, and no client sees an error."
	hashed.System = balanced(kill.System, gateway.ConsistentHash)
	hashed.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(pool.Busiest)).Lasting(2 * time.Second)}
	hashed.Promises = runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.Detect(200*time.Millisecond, 300*time.Millisecond)}

	return []runner.Scenario{null, kill, pause, slow, leastLoaded, hashed, roundRobin}
}

// balanced is the same pool with another choice among instances.
func balanced(s harness.System, balance string) harness.System {
	p := s.(pool.Pool)
	p.Route.Balance = balance
	return p
}
