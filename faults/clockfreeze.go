package faults

import (
	"github.com/hadrill/hadrill/faults/clock"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "clock-freeze",
	Meaning: "the node's wall clock stands while its processes run: nothing expires that is timed by it",
	Ladder:  skewLadder,
	Proof:   skewProof,
	Healing: skewHealing,
})

// ClockFreeze stops the wall clock that the nodes' processes see.
func ClockFreeze(aim harness.Selector) Fault {
	return skewed{"clock-freeze", aim, clock.Skew{Freeze: true}}
}
