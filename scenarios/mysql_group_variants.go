package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
)

// mysqlGroupVariants are the scenarios of row db/mysql-group in which nothing
// dies for good: a long way, a bad wire, upkeep.
func mysqlGroupVariants(safe runner.Scenario) []runner.Scenario {
	members := harness.Named("mysql-1", "mysql-2", "mysql-3")
	between := faults.Link{To: members, From: faults.Side{Nodes: members}}
	// Commits take longer, so it takes more clients to send as many.
	far := safe
	far.Name = "db/mysql-group/latency"
	far.Doc = "The members are 50 ms apart, there and back: every commit waits for a round of Paxos, none is lost, and nobody is suspected."
	far.Load = load.Sets{Rate: 100, Sets: 16, Clients: 64, Timeout: time.Second}
	far.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(between, 25*time.Millisecond)).Lasting(6 * time.Second)}
	far.Duration = 12 * time.Second
	far.Promises = runner.Promises{runner.Availability(1, 0.97), runner.LatencyP99(250*time.Millisecond, 500*time.Millisecond), runner.NoLostWrites()}

	loss := far
	loss.Name = "db/mysql-group/packet-loss"
	loss.Doc = "One packet in twenty between the members is lost: commits wait for retransmissions, none is lost, and nobody is expelled."
	loss.Faults = faults.Schedule{faults.At(2*time.Second, faults.Loss(between, 0.05)).Lasting(6 * time.Second)}
	loss.Promises = runner.Promises{runner.Availability(0.97, 0.85), runner.NoLostWrites()}

	// A member that is asked to end says goodbye to the group, which is not
	// then in doubt about it, within a second; that mysqld takes six more to end
	// is waited for no longer than a service manager would.
	online := func(node string) faults.Match {
		return faults.Match{Kind: faults.EventLog, Node: node, Text: "This server was declared online"}
	}
	restart := func(node string) faults.Fault { return faults.RestartWithin(harness.Named(node), 2*time.Second) }
	rolling := safe
	rolling.Name = "db/mysql-group/rolling-restart"
	rolling.Doc = "Every member is restarted when the one before is online again, the primary last: each leaves the group in order and joins it again, and nothing acknowledged is lost. While one joins, commits stand still for seconds."
	rolling.Faults = faults.Schedule{
		faults.At(2*time.Second, restart("mysql-3")),
		faults.On(online("mysql-3"), restart("mysql-2")).Delayed(2 * time.Second),
		faults.On(online("mysql-2"), restart("mysql-1")).Delayed(2 * time.Second),
	}
	rolling.Duration = 60 * time.Second
	rolling.Promises = runner.Promises{runner.Availability(0.7, 0.5), runner.NoLostWrites()}

	return []runner.Scenario{far, loss, rolling}
}
