package faults

import (
	"time"

	"github.com/hadrill/hadrill/faults/clock"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "clock-jump",
	Meaning: "the node's wall clock jumps, either way: a corrected time server, a restored virtual machine",
	Ladder:  skewLadder,
	Proof:   skewProof,
	Healing: skewHealing,
})

// ClockJump moves the wall clock that the nodes' processes see by d.
func ClockJump(aim harness.Selector, d time.Duration) Fault {
	return skewed{"clock-jump", aim, clock.Skew{Jump: d}}
}
