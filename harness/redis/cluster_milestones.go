package redis

import (
	"strings"

	"github.com/hadrill/hadrill/harness"
)

// Milestone implements harness.Milestones. A node declares the failure when it
// marks another as failing because a majority of primaries suspects it, and
// when it hears so; a replica declares itself the new owner when it has won
// the vote. The sentences are those of cluster_legacy.c.
func (r *RunningCluster) Milestone(_, line string) (harness.Milestone, bool) {
	text := message(line)
	m := harness.Milestone{Keep: true, Text: text}
	switch {
	case strings.HasPrefix(text, "Marking node ") && strings.Contains(text, " as failing"),
		strings.HasPrefix(text, "FAIL message received from "):
		m.Declared = true
	case strings.HasPrefix(text, "Failover election won"):
		m.Owner = true
	default:
		if !keep(text) && !keepOfCluster(text) {
			return harness.Milestone{}, false
		}
	}
	return m, true
}

// keepOfCluster tells which further sentences belong on the timeline.
func keepOfCluster(text string) bool {
	for _, start := range []string{
		"Start of election delayed", "Starting a failover election", "Failover auth ", "Failover attempt expired",
		"Currently unable to failover", "configEpoch set to", "Cluster state changed", "Clear FAIL state",
		"Configuration change detected", "Reconfiguring myself as a replica", "NODE ",
	} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}
