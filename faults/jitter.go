package faults

import (
	"time"

	"github.com/hadrill/hadrill/faults/impair"
)

var _ = describe(Entry{
	Name:    "jitter",
	Meaning: "every packet on the link is late by a time of its own, and packets overtake each other: congestion, a radio link",
	Ladder:  linkLadder,
	Proof:   linkProof,
	Healing: linkHealing,
})

// Jitter spreads the delay of a link's packets around a mean; see
// [impair.Impairment] for what spread means in each distribution.
func Jitter(l Link, mean, spread time.Duration, d impair.Distribution) Fault {
	return impaired{"jitter", l, impair.Impairment{Delay: mean, Jitter: spread, Distribution: d}}
}
