package vip

import (
	"strings"

	"github.com/hadrill/hadrill/harness"
)

// signs are what keepalived and haproxy say of a failure and of its end, in
// their logs; text after the date.
var signs = []struct {
	part string
	is   harness.Milestone
}{
	{"Receive advertisement timeout", harness.Milestone{Declared: true, Keep: true}},
	{"Backup received priority 0 advertisement", harness.Milestone{Declared: true, Keep: true}},
	{"failed (exited with status", harness.Milestone{Declared: true, Keep: true}},
	{"Entering MASTER STATE", harness.Milestone{Owner: true, Keep: true}},
	{"Entering BACKUP STATE", harness.Milestone{Keep: true}},
	{"Entering FAULT STATE", harness.Milestone{Keep: true}},
	{"lease lost", harness.Milestone{Keep: true}},
	{"lease held", harness.Milestone{Keep: true}},
	{"is DOWN", harness.Milestone{Declared: true, Keep: true}}, // haproxy: Server app/backend-1 is DOWN, reason: ...
	{"is UP", harness.Milestone{Keep: true}},
	{"upstream server temporarily disabled", harness.Milestone{Declared: true, Keep: true}},
}

// Milestone implements harness.Milestones. keepalived declares a failure when
// adverts stop or its check fails, and a new owner when it enters MASTER.
func (r *Running) Milestone(_, line string) (harness.Milestone, bool) {
	for _, s := range signs {
		at := strings.Index(line, s.part)
		if at < 0 {
			continue
		}
		m := s.is
		m.Text = line
		// keepalived: "Sun Mar  1 10:00:00 2026: (entry) Entering MASTER STATE"
		if _, after, ok := strings.Cut(line, "(entry) "); ok {
			m.Text = after
		}
		return m, true
	}
	return harness.Milestone{}, false
}
