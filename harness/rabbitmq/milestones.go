package rabbitmq

import (
	"strings"

	"github.com/hadrill/hadrill/harness"
)

// What RabbitMQ and Raft say of elections. A line is "date time+zone [level]
// <process> text":
//
//	2026-05-01 10:00:00.123456+00:00 [notice] <0.950.0> queue 'queue-0' in vhost '/': candidate -> leader in term: 3 machine version: 3
var (
	declares = []string{"Leader monitor down", "granting vote for", "election called for in term"}
	owns     = []string{"candidate -> leader in term"}
	keeps    = []string{
		"leader -> follower", "-> await_condition", "detected a new leader", "rabbit on node", "node 'rabbit@", "not responding",
		"artial partition", "inconsistent_database", "utoheal", "minority", "Server startup complete",
		"SIGTERM", "Successfully stopped RabbitMQ",
	}
)

// Milestone implements harness.Milestones. A node declares the failure when its
// member of the queue loses sight of the leader, or grants somebody a vote (the
// one who asks for it does not say so); the member that wins the election
// declares the new owner.
func (r *Running) Milestone(_, line string) (harness.Milestone, bool) {
	text := message(line)
	m := harness.Milestone{Keep: true, Text: text}
	holds := func(words []string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case text == "" || strings.Contains(text, "metadata store"): // not the queue's own group
		return harness.Milestone{}, false
	case holds(owns):
		m.Owner = true
	case holds(declares):
		m.Declared = true
	case holds(keeps):
	default:
		return harness.Milestone{}, false
	}
	return m, true
}

// message cuts "date time [level] <process> " off a line, "" when it has none.
func message(line string) string {
	_, rest, found := strings.Cut(line, "] <")
	if !found {
		return ""
	}
	_, text, found := strings.Cut(rest, "> ")
	if !found {
		return ""
	}
	return strings.TrimSpace(text)
}
