package kafka

import (
	"regexp"
	"strings"

	"github.com/hadrill/hadrill/harness"
)

// What the controller says of brokers, controllers of each other, and brokers
// of partitions (Kafka 4.4), such as
//
//	Fencing broker 1 at epoch 11 because its session has timed out.
//	Completed transition to ProspectiveState(epoch=1, ... from FollowerState(...
//	Becoming the active controller at epoch 2, next write offset 93.
//	Leader drill-0 with topic id ... starts at leader epoch 1 from offset 135 ...
var (
	declares = regexp.MustCompile(`^Fencing broker \d+ .*session has timed out|^Completed transition to ProspectiveState\(.* from FollowerState\(`)
	owns     = regexp.MustCompile(`^Becoming the active controller at epoch |^Leader ` + topic + `-\d+ .* starts at leader epoch [1-9]`)
	tells    = regexp.MustCompile(`^Shrinking ISR|^Expanding ISR|^ISR updated|^Follower ` + topic + `-\d+ starts at leader epoch [1-9]` +
		`|^handleBroker(Fenced|Unfenced|InControlledShutdown)|^The request from broker \d+ to unfence has been granted|^Renouncing the leadership` +
		`|^Completed transition to (Resigned|Leader|Candidate|Unattached|Prospective)|^The broker is in RECOVERY|^Kafka Server started` +
		`|^(Truncating partition|Truncated to offset)|[Uu]nclean (leader )?election|UNCLEAN`)
	// A line begins with the time and the level, and what it is about; it ends
	// with the class that wrote it.
	frame = regexp.MustCompile(`^\[\d\d:\d\d:\d\d\.\d{3}\] [A-Z]+ (?:\[[^\]]*\] )?(.*) \([A-Za-z0-9_$.]+\)$`)
)

const maxMilestone = 200 // some lines hold the whole state

// Milestone implements harness.Milestones. The active controller declares the
// failure when it fences a broker, a controller when it stands for election
// because it does not hear from the active one; the new owner is the broker
// that begins to lead a partition, or the controller that becomes active.
func (r *Running) Milestone(_, line string) (harness.Milestone, bool) {
	parts := frame.FindStringSubmatch(line)
	if parts == nil {
		return harness.Milestone{}, false
	}
	text := parts[1]
	m := harness.Milestone{Declared: declares.MatchString(text), Owner: owns.MatchString(text)}
	m.Keep = m.Declared || m.Owner || tells.MatchString(text)
	if len(text) > maxMilestone {
		text = strings.ToValidUTF8(text[:maxMilestone], "") + "..."
	}
	m.Text = text
	return m, m.Keep
}
