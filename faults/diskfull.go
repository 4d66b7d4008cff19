package faults

import (
	"context"
	"fmt"
	"strings"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "disk-full",
	Meaning: "the node's disk has no space left: logs that nobody rotated, a neighbour's dump",
	Ladder:  plainDiskLadder,
	Proof:   "the file system's free space",
	Healing: "the ballast is deleted",
})

// DiskFull fills the nodes' disks at path ("": all their disks) until no more
// than leave bytes are free.
func DiskFull(aim harness.Selector, path string, leave int64) Fault {
	return diskFull{aim, path, leave}
}

type diskFull struct {
	aim   harness.Selector
	path  string
	leave int64
}

func (d diskFull) Spec() Spec {
	params := d.path
	if d.leave > 0 {
		params += fmt.Sprintf(" leave=%d", d.leave)
	}
	return Spec{Fault: "disk-full", Aim: text(d.aim), Params: strings.TrimSpace(params)}
}

func (d diskFull) Requires() []Mechanism { return plainDiskLadder }

func (d diskFull) Inject(ctx context.Context, f *Field) (Injection, error) {
	if d.leave < 0 {
		return nil, fmt.Errorf("disk-full: cannot leave %d bytes free", d.leave)
	}
	nodes, err := resolve(ctx, f, "disk-full", d.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionDiskFull, agent.DiskFullParams{Path: d.path, Leave: d.leave})
}
