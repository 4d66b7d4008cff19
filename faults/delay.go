package faults

import (
	"time"

	"github.com/hadrill/hadrill/faults/impair"
)

var _ = describe(Entry{
	Name:    "delay",
	Meaning: "every packet on the link arrives later by a fixed time: a longer way, another region",
	Ladder:  linkLadder,
	Proof:   linkProof,
	Healing: linkHealing,
})

// Delay adds a fixed time to one way of a link.
func Delay(l Link, d time.Duration) Fault {
	return impaired{"delay", l, impair.Impairment{Delay: d}}
}
