package faults

import "github.com/hadrill/hadrill/faults/impair"

var _ = describe(Entry{
	Name:    "burst-loss",
	Meaning: "packets on the link are lost in bursts (Gilbert-Elliott): an overflowing switch, a flapping port",
	Ladder:  linkLadder,
	Proof:   linkProof,
	Healing: linkHealing,
})

// BurstLoss loses packets of a link in bursts. Retransmission copes with one
// lost packet in a hundred; with twenty in a row it does not.
func BurstLoss(l Link, b impair.Burst) Fault {
	return impaired{"burst-loss", l, impair.Impairment{Burst: &b}}
}
