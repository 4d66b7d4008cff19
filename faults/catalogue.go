package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/faults/agent"
)

// The mechanisms that faults need, by the names that agent.Probe answers to.
const (
	Pidfd         Mechanism = "pidfd"
	Freezer       Mechanism = "freezer"
	Nftables      Mechanism = "nftables"
	PacketQueue   Mechanism = "queue"
	Netem         Mechanism = "netem"
	TokenBucket   Mechanism = "tbf"
	SocketDestroy Mechanism = "socket-destroy"

	IntermediateDevice Mechanism = "ifb"
	CPUQuota           Mechanism = "cpu-quota"
	MemoryGroup        Mechanism = "memory"
	BlockThrottle      Mechanism = "blkio"
	LoopDevice         Mechanism = "loop"
	FUSE               Mechanism = "fuse"
	ProcessMemory      Mechanism = "process-memory"
)

// Entry describes one fault of the catalogue.
type Entry struct {
	Name    string      // as in Spec.Fault
	Meaning string      // what the node and its peers experience
	Ladder  []Mechanism // alternatives, best first; the first that the machine has is used
	Proof   string      // how its effect is observed
	Healing string      // how it is undone
}

var entries = map[string]Entry{}

// describe enters a fault into the catalogue, from a package-level variable.
func describe(e Entry) Entry {
	if _, twice := entries[e.Name]; twice {
		panic("faults: " + e.Name + " is described twice")
	}
	entries[e.Name] = e
	return e
}

// Catalogue lists every fault, by name.
func Catalogue() []Entry {
	all := make([]Entry, 0, len(entries))
	for _, e := range entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Alternatives is a Fault that can be done with any one of several mechanisms.
// A Fault without it needs all that Requires names.
type Alternatives interface {
	// Ladder names the alternatives, best first.
	Ladder() []Mechanism
}

// Check tells with what a fault would be done on a machine, or returns an
// error that names what is missing.
func Check(machine *agent.Machine, f Fault) ([]Mechanism, error) {
	if ladder, ok := f.(Alternatives); ok {
		var reasons []string
		for _, m := range ladder.Ladder() {
			there, why := machine.Has(string(m))
			if there {
				return []Mechanism{m}, nil
			}
			reasons = append(reasons, fmt.Sprintf("%s: %s", m, why))
		}
		return nil, fmt.Errorf("fault %s needs one of: %s", f.Spec().Fault, strings.Join(reasons, "; "))
	}
	for _, m := range f.Requires() {
		if there, why := machine.Has(string(m)); !there {
			return nil, fmt.Errorf("fault %s needs %s, which this machine lacks: %s", f.Spec().Fault, m, why)
		}
	}
	return f.Requires(), nil
}
