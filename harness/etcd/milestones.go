package etcd

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/hadrill/hadrill/harness"
)

// What Raft says of elections (raft.go, node.go of etcd 3.5), such as
//
//	raft.node: 8e9e05c52164694d lost leader fd422379fda50e48 at term 2
//	8e9e05c52164694d is starting a new election at term 2
//	8e9e05c52164694d became leader at term 3
//	raft.node: 91bc3c398fb3c146 elected leader 8e9e05c52164694d at term 3
var (
	declares = regexp.MustCompile(` is starting a new election at term | lost leader [0-9a-f]+ at term `)
	owns     = regexp.MustCompile(` became leader at term `)
	elects   = regexp.MustCompile(` elected leader [0-9a-f]+ at term | became (pre-)?candidate at term | became follower at term | stepped down to follower `)
)

// Milestone implements harness.Milestones. A member declares the failure when
// it starts an election because it heard of no leader for its election
// time-out; the member that became leader declares the new owner. etcd logs a
// JSON object a line.
func (r *Running) Milestone(_, line string) (harness.Milestone, bool) {
	var entry struct {
		Message string `json:"msg"`
		Error   string `json:"error"`
		Peer    string `json:"remote-peer-id"`
	}
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &entry) != nil {
		return harness.Milestone{}, false
	}
	m := harness.Milestone{Keep: true, Text: entry.Message}
	switch {
	case declares.MatchString(entry.Message):
		m.Declared = true
	case owns.MatchString(entry.Message):
		m.Owner = true
	case elects.MatchString(entry.Message):
	case strings.HasPrefix(entry.Message, "peer became"), strings.HasPrefix(entry.Message, "ready to serve client requests"):
		if entry.Peer != "" {
			m.Text += " " + entry.Peer
		}
	default:
		return harness.Milestone{}, false
	}
	return m, true
}
