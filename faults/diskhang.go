package faults

import (
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "disk-hang",
	Meaning: "the node's disk answers nothing until it is healed: a lost path to the storage",
	Ladder:  diskLadder,
	Proof:   diskProof,
	Healing: diskHealing,
})

// DiskHang makes operations of the nodes' disks wait until healing, those of
// the given kinds or all. The processes cannot be killed by less than SIGKILL
// meanwhile.
func DiskHang(aim harness.Selector, path string, on ...disk.Op) Fault {
	return ailing{"disk-hang", aim, path, disk.Behaviour{Hang: true, On: on}}
}
