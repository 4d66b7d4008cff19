package faults

import (
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "disk-error",
	Meaning: "operations of the node's disk fail: bad sectors, a read-only remount, an exceeded quota",
	Ladder:  diskLadder,
	Proof:   diskProof,
	Healing: diskHealing,
})

// DiskError makes a share (0: all) of the operations of the nodes' disks fail
// with an error: "EIO", "ENOSPC", "EROFS", "EDQUOT".
func DiskError(aim harness.Selector, path, errno string, share float64, on ...disk.Op) Fault {
	return ailing{"disk-error", aim, path, disk.Behaviour{Error: errno, Share: share, On: on}}
}
