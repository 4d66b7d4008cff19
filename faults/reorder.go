package faults

import (
	"time"

	"github.com/hadrill/hadrill/faults/impair"
)

var _ = describe(Entry{
	Name:    "reorder",
	Meaning: "a share of the link's packets overtakes the rest, which is late: several ways of unequal length",
	Ladder:  linkLadder,
	Proof:   linkProof,
	Healing: linkHealing,
})

// Reorder delays a link's packets, but lets a share of them through at once.
func Reorder(l Link, share float64, delay time.Duration) Fault {
	return impaired{"reorder", l, impair.Impairment{Delay: delay, Reorder: share}}
}
