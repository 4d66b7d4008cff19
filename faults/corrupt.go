package faults

import "github.com/hadrill/hadrill/faults/impair"

var _ = describe(Entry{
	Name:    "corrupt",
	Meaning: "one bit is wrong in a share of the link's packets; the receiver's checksum refuses them: bad cable, bad memory",
	Ladder:  linkLadder,
	Proof:   linkProof,
	Healing: linkHealing,
})

// Corrupt flips one bit in a share of a link's packets.
func Corrupt(l Link, share float64) Fault {
	return impaired{"corrupt", l, impair.Impairment{Corrupt: share}}
}
