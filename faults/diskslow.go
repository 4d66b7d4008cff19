package faults

import (
	"time"

	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "disk-slow",
	Meaning: "the node's disk takes longer for every operation: a noisy neighbour, a rebuilding array",
	Ladder:  diskLadder,
	Proof:   diskProof,
	Healing: diskHealing,
})

// DiskSlow adds a time to operations of the nodes' disks at path ("": all their
// disks), of the given kinds or of all.
func DiskSlow(aim harness.Selector, path string, latency time.Duration, on ...disk.Op) Fault {
	return ailing{"disk-slow", aim, path, disk.Behaviour{Latency: latency, On: on}}
}
