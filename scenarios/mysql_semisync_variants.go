package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// semiSyncVariants are the scenarios of row db/mysql-semisync in which nothing
// dies for good: a long way, a bad wire, upkeep.
func semiSyncVariants(safe runner.Scenario) []runner.Scenario {
	// Commits take longer, so it takes more clients to send as many.
	patient := load.Sets{Rate: 100, Sets: 16, Clients: 32, Timeout: time.Second}
	far := safe
	far.Load = patient
	far.Name = "db/mysql-semisync/latency"
	far.Doc = "The replicas are 50 ms away: every commit waits for the way there and back, none is lost, and nobody takes the source for dead."
	far.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Delay(faults.Link{To: harness.Replica, From: faults.Side{Nodes: harness.Primary}}, 25*time.Millisecond)).Lasting(6 * time.Second),
		faults.At(2*time.Second, faults.Delay(faults.Link{To: harness.Primary, From: faults.Side{Nodes: harness.Replica}}, 25*time.Millisecond)).Lasting(6 * time.Second),
	}
	far.Duration = 12 * time.Second
	far.Promises = runner.Promises{runner.Availability(1, 0.99), runner.LatencyP99(150*time.Millisecond, 400*time.Millisecond), runner.NoLostWrites()}

	loss := safe
	loss.Load = patient
	loss.Name = "db/mysql-semisync/packet-loss"
	loss.Doc = "One packet in twenty to the source is lost, of clients and of acknowledgements: TCP sends it again after 200 ms and more; commits are late, none is lost."
	loss.Faults = faults.Schedule{faults.At(2*time.Second, faults.Loss(faults.Link{To: harness.Primary}, 0.05)).Lasting(6 * time.Second)}
	loss.Duration = 12 * time.Second
	loss.Promises = runner.Promises{runner.Availability(0.97, 0.9), runner.NoLostWrites()}

	// A source that is asked to end waits for commits that nobody acknowledges
	// any more: it is given two seconds, as a service manager gives it a time.
	rolling := safe
	rolling.Name = "db/mysql-semisync/rolling-restart"
	rolling.Doc = "Every server is restarted, the replicas first: commits go on with the other replica; the source's restart is a failover, and nothing acknowledged is lost."
	rolling.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.RestartWithin(harness.Named("mysql-2"), 2*time.Second)),
		faults.At(9*time.Second, faults.RestartWithin(harness.Named("mysql-3"), 2*time.Second)),
		faults.At(16*time.Second, faults.RestartWithin(harness.Named("mysql-1"), 2*time.Second)),
	}
	rolling.Duration = 28 * time.Second
	// A replica that joins again may make one commit late, shortly before the
	// next restart: what is promised is the longest outage, not when the last
	// late commit was.
	rolling.Promises = runner.Promises{
		record.Objective{Name: "outage", Kind: record.KindRTO, Unit: "s", Target: 5, Limit: 10},
		runner.Availability(0.85, 0.75), runner.NoLostWrites(),
	}

	return []runner.Scenario{far, loss, rolling}
}
