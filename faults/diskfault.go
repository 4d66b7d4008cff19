package faults

import (
	"context"
	"fmt"
	"strings"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
)

const (
	diskProof   = "the state of the server between the node and its disk, and its counters"
	diskHealing = "the disk is healthy from the next operation on; what hung goes on"
)

var (
	diskLadder      = []Mechanism{FUSE}
	plainDiskLadder = []Mechanism{LoopDevice}
)

// ailing is every fault of a disk that answers differently. path is where the
// node has the disk; "" is all its disks.
type ailing struct {
	name      string
	aim       harness.Selector
	path      string
	behaviour disk.Behaviour
}

func (a ailing) Spec() Spec {
	return Spec{Fault: a.name, Aim: text(a.aim), Params: strings.TrimSpace(a.path + " " + a.behaviour.String())}
}

func (a ailing) Requires() []Mechanism { return []Mechanism{LoopDevice, FUSE} }

func (a ailing) Inject(ctx context.Context, f *Field) (Injection, error) {
	if err := a.behaviour.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	nodes, err := resolve(ctx, f, a.name, a.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionDisk, agent.DiskParams{Path: a.path, Behaviour: a.behaviour})
}
