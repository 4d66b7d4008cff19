package mysql

import (
	"strings"

	"github.com/hadrill/hadrill/harness"
)

// Milestone implements harness.Milestones. The manager's lines begin with what
// happened:
//
//	declared: mysql-1 is dead: silent for 1.02s, and mysql-2 and mysql-3 lost it too
//	promoted: mysql-2 accepts writes, term 2
//
// A server's look like this, and those on replication are kept:
//
//	2026-05-01T10:00:00.123456Z 12 [Warning] [MY-011153] [Repl] Timeout waiting for reply of binlog ...
func (r *SemiSyncRunning) Milestone(node, line string) (harness.Milestone, bool) {
	if node == managerName {
		return managerMilestone(line)
	}
	return serverMilestone(line, repl)
}

func managerMilestone(line string) (harness.Milestone, bool) {
	kind, _, _ := strings.Cut(line, ":")
	m := harness.Milestone{Keep: true, Text: line}
	switch kind {
	case "declared":
		m.Declared = true
	case "promoted":
		m.Owner = true
	case "silent", "answers again", "waits", "fenced", "elected", "failover put off", "follows", "disarms", "disarmed", "clones", "cloned", "trouble", "resumes":
	default:
		return harness.Milestone{}, false
	}
	return m, true
}

// repl are messages of semi-synchronous replication.
var repl = []string{
	"Timeout waiting for reply of binlog", "Semi-sync replication switched",
	"Semi-sync source disabled", "Semi-sync source enabled",
	"error reconnecting to source", "Error reading packet from server", "Replica I/O thread killed",
	"ready for connections",
}

// serverMilestone keeps the messages that hold one of the given texts.
func serverMilestone(line string, texts []string) (harness.Milestone, bool) {
	text := message(line)
	for _, t := range texts {
		if strings.Contains(text, t) {
			return harness.Milestone{Keep: true, Text: text}, true
		}
	}
	return harness.Milestone{}, false
}

// message cuts "time thread [level] [code] [subsystem] " off a line.
func message(line string) string {
	rest := line
	for range 3 {
		_, after, found := strings.Cut(rest, "] ")
		if !found {
			return line
		}
		rest = after
	}
	return rest
}
