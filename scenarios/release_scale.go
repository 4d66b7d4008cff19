package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/shop"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// releaseScale is row release/scale: an instance answers 160 requests a second
// and not one more. One serves 100 a second; three join it; then come 320 a
// second, twice what the one could have answered, and all are answered in time;
// then two leave again. That nobody waits is the proof that throughput follows
// the instances.
//
//	320 ┤            ┌───────┐
//	    │            │       │
//	100 ┤────────────┘       └──────
//	    └──┬───┬──────────────┬─────
//	      1 of 4 ▸ 4          ▸ 2        instances
//
// The gateway sends each instance the same share, as most do. A new instance is
// cold: its first 40 requests take ten times as long. Making them itself before
// it registers keeps them from customers.
func releaseScale() []runner.Scenario {
	system := shop.Shop{
		Instances: 4, Gateways: 1, Balance: gateway.RoundRobin,
		Slots: 8, Cost: 50 * time.Millisecond, Cold: 40, WarmUp: true,
	}
	outAndIn := runner.Scenario{
		Name:       "release/scale/out-and-in",
		Row:        "release/scale",
		Doc:        "One instance, then four, then two under load: throughput follows the instances, no request fails, and new instances are warm before they get their share.",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.HTTP{Path: "/work", Schedule: load.Surge{Base: 100, Peak: 320, From: 10 * time.Second, Length: 4 * time.Second}},
		SLO:        record.SLO{Latency: time.Second, Success: 0.999, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
		Faults: faults.Schedule{
			faults.At(500*time.Millisecond, faults.Stop(harness.Named("orders-2", "orders-3", "orders-4"))).Lasting(3 * time.Second),
			faults.At(15*time.Second, faults.Stop(harness.Named("orders-3", "orders-4"))),
		},
		Duration: 18 * time.Second,
		Promises: runner.Promises{runner.NoErrors(), runner.LatencyP99(250*time.Millisecond, 400*time.Millisecond)},
	}
	cold := twin(outAndIn, "out-and-in-cold",
		"Twin: no warm-up. Each new instance takes its full share while it is cold, and customers wait for what it has yet to learn.",
		runner.FailsOn("latency.p99"),
		func(s *runner.Scenario) {
			unprepared := system
			unprepared.WarmUp = false
			s.System = unprepared
		})
	return []runner.Scenario{outAndIn, cold}
}
