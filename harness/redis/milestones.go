package redis

import (
	"strings"

	"github.com/hadrill/hadrill/harness"
)

// Milestone implements harness.Milestones. Lines look like
//
//	1:X 05 Mar 2025 10:00:00.123 # +sdown master drill 10.213.0.11 6379
//	1:M 05 Mar 2025 10:00:00.456 * MASTER MODE enabled (user request from ...)
//
// A sentinel declares the failure when it holds the primary for down itself
// (+sdown) or agrees with a quorum (+odown); the new owner is declared by the
// promoted server, by the sentinel that promoted it (+promoted-slave), and by
// each that switches over (+switch-master). Sentinel's event names are those of
// https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/.
func (r *Running) Milestone(_, line string) (harness.Milestone, bool) {
	text := message(line)
	event, rest, _ := strings.Cut(text, " ")
	m := harness.Milestone{Keep: true, Text: text}
	switch event {
	case "+sdown", "+odown":
		m.Declared = strings.HasPrefix(rest, "master "+masterName+" ")
	case "+promoted-slave", "+switch-master":
		m.Owner = true
	case "-sdown", "-odown", "+new-epoch", "+try-failover", "+vote-for-leader", "+elected-leader",
		"+selected-slave", "-failover-abort-no-good-slave", "-failover-abort-not-elected", "-failover-abort-slave-timeout",
		"+failover-end", "+failover-end-for-timeout", "+failover-detected", "+convert-to-slave", "+slave-reconf-done",
		"+reboot", "+tilt", "-tilt", "+config-update-from":
	case "MASTER":
		if !strings.HasPrefix(text, "MASTER MODE enabled") {
			return harness.Milestone{}, false
		}
		m.Owner = true
	default:
		if !keep(text) {
			return harness.Milestone{}, false
		}
	}
	return m, true
}

// keep tells which plain sentences of a server belong on the timeline.
func keep(text string) bool {
	for _, start := range []string{
		"Connection with master lost", "Connection with replica", "MASTER <-> REPLICA sync: Finished",
		"Synchronization with replica", "Successful partial resynchronization", "Full resync", "Discarding previously cached master",
		"Ready to accept connections", "User requested shutdown", "Received SIGTERM", "Partial resynchronization not",
	} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}

// message cuts "pid:role date time level " off a line. The level is one of
// ". - * #" and stands alone before the message.
func message(line string) string {
	fields := strings.SplitN(line, " ", 7) // pid:role, day, month, year, time, level, message
	if len(fields) == 7 && len(fields[5]) == 1 && strings.Contains(".-*#", fields[5]) {
		return fields[6]
	}
	return line
}
