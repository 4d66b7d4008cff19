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

// What the service of row protection/overload can do: 8 workers, 80 ms a
// request.
const overloadCapacity = 100

// protectionOverload is row protection/overload: three times as much is
// offered as the service can do. Its queue has no end and it works on for
// clients that have gone, so without a limit in front all of its work is soon
// for nobody, and stays so long after the surge: a metastable state.
//
// The retry storm is the same state reached without any surge: a moment's
// stall, and retries that triple the load for as long as it does not answer.
func protectionOverload() []runner.Scenario {
	return append(overloadSurge(), retryStorm()...)
}

// overloaded is the chain of this row with one route.
func overloaded(route gateway.Route) protection.Chain {
	route.Name, route.Path = "all", "/"
	return protection.Chain{Workers: 8, Work: 80 * time.Millisecond, Routes: []gateway.Route{route}}
}

// overloadLimit lets at most 24 in at once, so that the last of them is
// answered in 240 ms, and 16 wait for at most 150 ms.
func overloadLimit() *protect.LimitConfig {
	return &protect.LimitConfig{
		Min: 8, Initial: 12, Max: 24, Window: protect.Duration(250 * time.Millisecond), Samples: 20,
		Queue: 16, Wait: protect.Duration(150 * time.Millisecond),
	}
}

func overloadSurge() []runner.Scenario {
	const from, to = 2 * time.Second, 5 * time.Second
	chain := func(limit *protect.LimitConfig) protection.Chain {
		return overloaded(gateway.Route{
			Timeout: protect.Duration(800 * time.Millisecond), Attempts: 1, Config: protect.Config{Limit: limit},
		})
	}
	important := load.HTTP{
		Name: "important", Rate: 20, Header: map[string]string{protect.PriorityHeader: protect.High.String()},
		Connections: []string{load.Pooled}, Clients: 32, Timeout: time.Second,
	}
	bulk := load.HTTP{Name: "bulk", Connections: []string{load.Pooled}, Clients: 400, Timeout: time.Second}
	at := func(s load.Schedule) load.Load {
		b := bulk
		b.Schedule = s
		return load.Combine(important, b)
	}
	surge := runner.Scenario{
		Name:       "protection/overload/surge",
		Row:        "protection/overload",
		Doc:        "For three seconds three times the capacity is offered: at least 80 % of the capacity goes on being useful, what is important is answered all the same, and it is over when the surge is.",
		Profile:    runner.Quick,
		System:     chain(overloadLimit()),
		Load:       at(load.Surge{Base: 50, Peak: 280, From: from, Length: to - from}),
		Surge:      &record.Surge{From: from, To: to, Capacity: overloadCapacity},
		Duration:   12 * time.Second,
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
		Promises: runner.Promises{
			runner.SurgeGoodput(0.95, 0.8),
			runner.SurgeRecovery(500*time.Millisecond, 5*time.Second),
			on("important/pooled", runner.Availability(1, 0.99)),
		},
		Weight: runner.Light,
	}
	unbounded := twin(surge, "surge-unbounded",
		"Twin: no limit. The queue grows for as long as the surge lasts, every answer comes too late, and stays too late long after it.",
		runner.FailsOn("surge.goodput", "surge.recovery"),
		func(s *runner.Scenario) { s.System = chain(nil) })

	ramp := surge
	ramp.Name = "protection/overload/ramp"
	ramp.Doc = "What is offered rises from a fifth of the capacity to three times as much: goodput rises with it to the capacity and stays there."
	ramp.Profile = runner.Nightly
	ramp.Load = at(load.Ramp{From: 1, To: 281, Over: 14 * time.Second})
	ramp.Duration = 14 * time.Second
	ramp.Surge = &record.Surge{From: 4 * time.Second, To: ramp.Duration, Capacity: overloadCapacity}
	ramp.Promises = runner.Promises{surge.Promises[0], surge.Promises[2]}
	rampUnbounded := twin(ramp, "ramp-unbounded",
		"Twin: no limit. Goodput falls off as soon as more is offered than the service can do.",
		runner.FailsOn("surge.goodput"),
		func(s *runner.Scenario) { s.System = chain(nil) })

	// What helps a system that has collapsed: to take most of the load away until
	// the queue is empty, and nothing less.
	drained := surge
	drained.Name = "protection/overload/collapse-drained"
	drained.Doc = "A service without a limit has collapsed under a surge, and a fifth of its load is all that is left: it works off its queue, and is good again."
	drained.Profile = runner.Nightly
	drained.System = chain(nil)
	drained.Load = at(load.Surge{Peak: 280, From: from, Length: to - from})
	drained.Duration = 18 * time.Second
	drained.Promises = runner.Promises{runner.SurgeRecovery(8*time.Second, 10*time.Second)}
	kept := twin(drained, "collapse-load-kept",
		"Twin: the load goes back to what the service carried before, 70 % of its capacity. That is too much for as long as the queue is there.",
		runner.FailsOn("surge.recovery"),
		func(s *runner.Scenario) { s.Load = at(load.Surge{Base: 50, Peak: 280, From: from, Length: to - from}) })
	return []runner.Scenario{surge, unbounded, ramp, rampUnbounded, drained, kept}
}

func retryStorm() []runner.Scenario {
	chain := func(budget *protect.BudgetConfig) protection.Chain {
		return overloaded(gateway.Route{
			Timeout: protect.Duration(950 * time.Millisecond), Attempt: protect.Duration(300 * time.Millisecond), Attempts: 3,
			Config: protect.Config{Budget: budget},
		})
	}
	stall := runner.Scenario{
		Name:       "protection/overload/stall",
		Row:        "protection/overload",
		Doc:        "The service stalls for a second at 60 % of its capacity: retries are a tenth of the requests at most, and it recovers by itself.",
		Profile:    runner.Nightly,
		System:     chain(&protect.BudgetConfig{Ratio: 0.1, Burst: 5}),
		Load:       load.HTTP{Rate: 60, Connections: []string{load.Pooled}, Clients: 128, Timeout: 1200 * time.Millisecond},
		Faults:     faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Named(protection.ServiceName(0)))).Lasting(time.Second)},
		Duration:   14 * time.Second,
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
		Promises:   runner.Promises{runner.Failback(3*time.Second, 5*time.Second)},
		Weight:     runner.Light,
	}
	storm := twin(stall, "stall-retry-storm",
		"Twin: retries without a budget. The stall is over after a second, and the load that the retries make keeps the service down for good.",
		runner.FailsOn("rto.failback"),
		func(s *runner.Scenario) { s.System = chain(nil) })
	return []runner.Scenario{stall, storm}
}
