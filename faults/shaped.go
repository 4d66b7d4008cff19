package faults

import (
	"context"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/faults/split"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "split",
	Meaning: "the nodes are cut off from each other in a shape: halves, minority, bridge, ring, a zone",
	Ladder:  []Mechanism{Nftables},
	Proof:   "as for partition",
	Healing: "as for partition",
})

// Split cuts the selected nodes off from each other in a shape of package
// split. Clients see all of them; use [Partition] to put clients on a side.
func Split(among harness.Selector, shape split.Shape) Fault { return shaped{among, shape} }

// CutZone cuts the nodes of a zone, and the clients given, off from all nodes
// of other zones.
func CutZone(zone string, clients ...string) Fault {
	return Partition{Left: Side{Nodes: harness.InZone(zone), Clients: clients}}
}

type shaped struct {
	among harness.Selector
	shape split.Shape
}

func (s shaped) Spec() Spec            { return Spec{"split", text(s.among), s.shape.String()} }
func (s shaped) Requires() []Mechanism { return []Mechanism{Nftables} }

func (s shaped) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "split", s.among)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name()
	}
	cuts, err := s.shape.Of(names)
	if err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	if len(cuts) == 0 {
		return nil, fmt.Errorf("split: %s cuts nothing among %d nodes", s.shape, len(nodes))
	}
	byName := func(name string) members {
		return members{nodes: []*harness.Node{nodes[slices.Index(names, name)]}}
	}
	directions := make([]direction, len(cuts))
	for i, c := range cuts {
		directions[i] = direction{from: byName(c.From), to: byName(c.To)}
	}
	return cut(ctx, f, "split", directions)
}
