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

// Milestone implements harness.Milestones: what members log of their group.
//
//	Plugin group_replication reported: 'Member with address 10.213.0.11:3306 has become unreachable.'
//	Plugin group_replication reported: 'A new primary with address 10.213.0.12:3306 was elected. ...'
//	Plugin group_replication reported: 'This server is working as primary member.'
func (r *GroupRunning) Milestone(node, line string) (harness.Milestone, bool) {
	if node == backupName {
		return harness.Milestone{Keep: strings.HasPrefix(line, "backup of"), Text: line}, true
	}
	m, ok := serverMilestone(line, group)
	m.Declared = strings.Contains(m.Text, "has become unreachable")
	m.Owner = strings.Contains(m.Text, "working as primary member")
	return m, ok
}

// group are messages of Group Replication.
var group = []string{
	"has become unreachable", "is reachable again", "Members removed from the group", "Members joined the group",
	"new primary with address", "working as primary member", "working as secondary member",
	"Group membership changed", "was expelled", "not receiving messages", "contact with the majority",
	"majority of the members", "read only mode", "read_only", "was declared online", "Started auto-rejoin",
	"ready for connections",
}
