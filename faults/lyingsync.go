package faults

import (
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "lying-sync",
	Meaning: "the node's disk acknowledges a sync and does not do it: a write cache without a battery",
	Ladder:  diskLadder,
	Proof:   diskProof,
	Healing: diskHealing + "; what it lied about is written when the kernel gets to it",
})

// LyingSync makes the nodes' disks acknowledge syncs without doing them. By
// itself nobody notices; a power cut afterwards tells.
func LyingSync(aim harness.Selector, path string) Fault {
	return ailing{"lying-sync", aim, path, disk.Behaviour{LyingSync: true}}
}
