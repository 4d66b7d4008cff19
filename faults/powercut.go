package faults

import (
	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "power-cut",
	Meaning: "the node goes silent, and its disks forget what was not synced",
	Ladder:  plainDiskLadder,
	Proof:   "rule counters of the cut, the file systems' shutdown, then the process's pidfd becomes readable",
	Healing: "the cut is taken away, the file systems are mounted anew, then the container is started again",
})

// PowerCut takes the nodes away together with their disks: they are cut off, so
// that peers and the clients of the given zones ("" is the data network) see
// silence and no closed connection; then frozen, their file systems are shut
// down without writing anything, and they are killed. It needs a disk of the
// run in every node. A node that has neither peers nor clients to be cut off
// from is killed in front of nobody.
func PowerCut(aim harness.Selector, clients ...string) Fault {
	return powerLoss{aim, clients, "power-cut", agent.ActionPowerCut}
}
