package faults

import (
	"time"

	"github.com/hadrill/hadrill/faults/clock"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "clock-strobe",
	Meaning: "the node's wall clock jumps to and fro: two time servers that disagree",
	Ladder:  skewLadder,
	Proof:   skewProof,
	Healing: skewHealing,
})

// ClockStrobe moves the nodes' wall clock by d in every other slice of the
// given length, beginning with the first.
func ClockStrobe(aim harness.Selector, d, slice time.Duration) Fault {
	return skewed{"clock-strobe", aim, clock.Skew{Jump: d, Strobe: slice}}
}
