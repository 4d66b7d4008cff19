package scenarios

import (
	"fmt"
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/avalanche"
	"github.com/hadrill/hadrill/harness/components/orders"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// cacheAvalanche is row cache/avalanche: the cache dies under load. The
// database can answer 160 questions a second, the readers ask twice as many.
// With single-flight no more than one question an item is at the database at
// any time, and everybody waits for its answer; without, each reader asks by
// itself, and there are more questions than there will ever be answers.
//
// The lane "database" reads past the cache, as somebody does who must see what
// he has just written: its latency is the database's.
func cacheAvalanche() []runner.Scenario {
	const items, eachRate, database = 4, 75, "database/pooled"
	sound := avalanche.Cached{Items: items, Query: 200 * time.Millisecond, Fresh: time.Minute}
	var readers []load.Load
	for item := 1; item <= items; item++ {
		readers = append(readers, load.HTTP{
			Name: fmt.Sprintf("item-%d", item), Rate: eachRate, Path: fmt.Sprintf("/items?id=%d", item),
			Connections: []string{load.Pooled}, Clients: 96, Timeout: time.Second,
		})
	}
	readers = append(readers, load.HTTP{
		Name: "database", Rate: 10, Path: "/items?id=1", Header: map[string]string{orders.SeenHeader: "past-the-cache"},
		Connections: []string{load.Pooled}, Clients: 16, Timeout: time.Second,
	})
	kill := runner.Scenario{
		Name:     "cache/avalanche/kill",
		Row:      "cache/avalanche",
		Doc:      "The cache is killed and comes back empty: every reader is answered, and the database is hardly slower.",
		Profile:  runner.Quick,
		System:   sound,
		Load:     load.Combine(readers...),
		Faults:   faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named(avalanche.CacheName))).Lasting(3 * time.Second)},
		Duration: 8 * time.Second,
		SLO:      record.SLO{Latency: 600 * time.Millisecond, Success: 0.99, Stable: time.Second},
		Promises: runner.Promises{
			runner.Availability(1, 0.99),
			on(database, runner.LatencyRise(0.1, 0.5)),
		},
		Resolution: 250 * time.Millisecond,
	}
	unguarded := twin(kill, "kill-no-guards",
		"Twin: no single-flight. Every miss is a question to the database, which has no more connections left, and nobody is answered in time.",
		runner.FailsOn("availability.requests", "latency.p99.rise@"+database),
		func(s *runner.Scenario) {
			bare := sound
			bare.NoGuards = true
			s.System = bare
		})
	return []runner.Scenario{kill, unguarded}
}
