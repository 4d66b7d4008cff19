package faults

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hadrill/hadrill/faults/split"
)

const splitShapes = "halves, random-halves(SEED), minority(SEED), bridge, ring or isolate(NODE,...)"

var _ = written("split", "NODES halves|random-halves(SEED)|minority(SEED)|bridge|ring|isolate(NODE,...)", func(p *parser) Fault {
	among := p.nodes()
	at := p.here()
	shape, ok := splitShape(p.word(""))
	if !ok {
		p.fail(at, splitShapes, "halves", "random-halves", "minority", "bridge", "ring", "isolate")
	}
	return Split(among, shape)
})

// splitShape reads a shape as its String writes it. Zones are cut by
// "partition zone:NAME".
func splitShape(word string) (shape split.Shape, ok bool) {
	switch word {
	case "halves":
		return split.Halves(), true
	case "bridge":
		return split.Bridge(), true
	case "ring":
		return split.Ring(), true
	}
	name, inner, _ := strings.Cut(word, "(")
	inner, ok = strings.CutSuffix(inner, ")")
	if !ok {
		return shape, false
	}
	if name == "isolate" {
		nodes := strings.Split(inner, ",")
		return split.Isolate(nodes...), !slices.ContainsFunc(nodes, func(n string) bool { return !isName(n) })
	}
	seed, err := strconv.ParseUint(inner, 10, 64)
	switch name {
	case "random-halves":
		return split.RandomHalves(seed), err == nil
	case "minority":
		return split.Minority(seed), err == nil
	default:
		return shape, false
	}
}
