package faults

import (
	"context"
	"fmt"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var (
	_ = describe(Entry{
		Name:    "oom-kill",
		Meaning: "the kernel kills the node because its memory is used up",
		Ladder:  []Mechanism{MemoryGroup},
		Proof:   "the process's pidfd becomes readable; the engine reports it killed for memory",
		Healing: "the limit is put back and the container started again",
	})
	_ = describe(Entry{
		Name:    "memory-pressure",
		Meaning: "the node's memory limit is drawn tight around what it uses",
		Ladder:  []Mechanism{MemoryGroup},
		Proof:   "the cgroup's limit read back",
		Healing: "the limit that was there is put back",
	})
	_ = describe(Entry{
		Name:    "cpu-quota",
		Meaning: "the node gets only a part of a processor's time",
		Ladder:  []Mechanism{CPUQuota},
		Proof:   "the cgroup's quota read back",
		Healing: "the quota that was there is put back",
	})
)

// OOMKill makes the kernel kill the nodes for want of memory.
func OOMKill(aim harness.Selector) Fault {
	return resource{"oom-kill", aim, "", []Mechanism{MemoryGroup, Pidfd}, agent.ActionOOM, nil}
}

// MemoryPressure leaves the nodes only so many bytes above what they use now
// (at least 1 MiB): caches are squeezed first; a node that takes more is killed.
func MemoryPressure(aim harness.Selector, leave int64) Fault {
	return resource{"memory-pressure", aim, fmt.Sprintf("leave=%d", leave), []Mechanism{MemoryGroup}, agent.ActionMemory, agent.MemoryParams{Leave: leave}}
}

// SlowCPU gives the nodes only so many processors' worth of time, at least 0.05.
func SlowCPU(aim harness.Selector, cores float64) Fault {
	return resource{"cpu-quota", aim, fmt.Sprintf("cores=%g", cores), []Mechanism{CPUQuota}, agent.ActionCPU, agent.CPUParams{Cores: cores}}
}

// resource is every fault of a node's processor or memory.
type resource struct {
	name   string
	aim    harness.Selector
	text   string
	needs  []Mechanism
	action string
	params any
}

func (r resource) Spec() Spec            { return Spec{r.name, text(r.aim), r.text} }
func (r resource) Requires() []Mechanism { return r.needs }

func (r resource) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, r.name, r.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, r.action, r.params)
}
