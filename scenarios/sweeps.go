package scenarios

import (
	"fmt"

	"github.com/hadrill/hadrill/runner"
)

// Sweeps returns every sweep: a scenario of All with one setting turned, to
// see what the setting buys and costs. Each is declared next to its scenario.
func Sweeps() []runner.Sweep {
	return []runner.Sweep{
		sentinelDownAfter(),
		clusterNodeTimeout(),
		memcachedTimeout(),
		memcachedEjection(),
		etcdElection(),
		lockLease(),
		kafkaSession(),
		kafkaAcks(),
		semiSyncAcks(),
		semiSyncDownAfter(),
		groupExpelTimeout(),
		isolationLevels(),
	}
}

// named is the scenario of that name: the base of a sweep.
func named(row []runner.Scenario, name string) runner.Scenario {
	for _, s := range row {
		if s.Name == name {
			return s
		}
	}
	panic(fmt.Sprintf("declare sweep: no scenario %s", name)) // a slip of the pen, found by the first test
}
