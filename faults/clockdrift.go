package faults

import (
	"github.com/hadrill/hadrill/faults/clock"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "clock-drift",
	Meaning: "the node's wall clock runs fast or slow: a lost time server, a bad oscillator",
	Ladder:  skewLadder,
	Proof:   skewProof,
	Healing: skewHealing,
})

// ClockDrift makes the nodes' wall clock run fast (positive) or slow, in
// millionths. Real oscillators drift by up to 200; drills take more to see
// the same in minutes.
func ClockDrift(aim harness.Selector, ppm float64) Fault {
	return skewed{"clock-drift", aim, clock.Skew{DriftPPM: ppm}}
}
