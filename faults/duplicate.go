package faults

import "github.com/hadrill/hadrill/faults/impair"

var _ = describe(Entry{
	Name:    "duplicate",
	Meaning: "a share of the link's packets arrives twice: a loop in the network, a failed-over switch",
	Ladder:  linkLadder,
	Proof:   linkProof,
	Healing: linkHealing,
})

// Duplicate delivers a share of a link's packets twice. TCP hides it; datagram
// protocols (VRRP, gossip, DNS) must cope.
func Duplicate(l Link, share float64) Fault {
	return impaired{"duplicate", l, impair.Impairment{Duplicate: share}}
}
