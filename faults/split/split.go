// Package split is the algebra of partitions: who can no longer hear whom, as
// pure functions over the names of nodes. It touches nothing; package faults
// turns a Cuts into damage.
//
//	Halves           Minority         Bridge            Ring (majorities)
//	{a b} ╳ {c d e}  {a} ╳ {b c d e}  {a b} ╳ {d e}     each hears itself and
//	                                  c hears and is    its nearest neighbours,
//	                                  heard by all      just over half of all
//
// The shapes are those under which quorum systems have been seen to fail: see
// Kingsbury's analyses (Jepsen) for bridges and rings, and Alquraan et al., "An
// Analysis of Network-Partitioning Failures in Cloud Systems", OSDI 2018, for
// why simplex and partial partitions matter.
package split

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Cut says that From's packets do not reach To. The other direction is a Cut
// of its own.
type Cut struct{ From, To string }

// Cuts is a set of cuts, sorted and without repetition.
type Cuts []Cut

// Shape makes the cuts for some nodes. It is deterministic: chance comes from
// a seed that the shape was made with.
type Shape struct {
	name string
	make func(nodes []string) (Cuts, error)
}

// String is how the shape is written in plans and records.
func (s Shape) String() string { return s.name }

// Of makes the cuts for nodes, in their given order. It fails when there are
// too few of them for the shape, or when one is named twice.
func (s Shape) Of(nodes []string) (Cuts, error) {
	seen := map[string]bool{}
	for _, n := range nodes {
		if seen[n] {
			return nil, fmt.Errorf("%s: node %s is named twice", s.name, n)
		}
		seen[n] = true
	}
	cuts, err := s.make(nodes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return cuts, nil
}

// Between cuts groups off from each other, in both directions. A node may be
// in no group; it then hears everybody.
func Between(groups ...[]string) Cuts {
	var cuts Cuts
	for i, a := range groups {
		for j, b := range groups {
			if i != j {
				cuts = append(cuts, OneWay(a, b)...)
			}
		}
	}
	return cuts.tidy()
}

// OneWay cuts what from sends off from to; to is still heard by from.
func OneWay(from, to []string) Cuts {
	var cuts Cuts
	for _, a := range from {
		for _, b := range to {
			if a != b {
				cuts = append(cuts, Cut{a, b})
			}
		}
	}
	return cuts.tidy()
}

// Halves cuts the first half of the nodes off from the second. Of an odd
// number the second half has one more.
func Halves() Shape {
	return Shape{"halves", func(nodes []string) (Cuts, error) {
		if err := atLeast(2, nodes); err != nil {
			return nil, err
		}
		middle := len(nodes) / 2
		return Between(nodes[:middle], nodes[middle:]), nil
	}}
}

// RandomHalves is Halves of the nodes in an order that the seed gives.
func RandomHalves(seed uint64) Shape {
	return Shape{fmt.Sprintf("random-halves(%d)", seed), func(nodes []string) (Cuts, error) {
		return Halves().Of(shuffled(seed, nodes))
	}}
}

// Minority cuts the largest minority of the nodes, picked by the seed, off from
// the majority: with five nodes two from three.
func Minority(seed uint64) Shape {
	return Shape{fmt.Sprintf("minority(%d)", seed), func(nodes []string) (Cuts, error) {
		if err := atLeast(3, nodes); err != nil {
			return nil, err
		}
		mixed := shuffled(seed, nodes)
		minority := (len(nodes) - 1) / 2
		return Between(mixed[:minority], mixed[minority:]), nil
	}}
}

// Bridge cuts the nodes into halves that share one node, the middle one, which
// hears and is heard by all.
func Bridge() Shape {
	return Shape{"bridge", func(nodes []string) (Cuts, error) {
		if err := atLeast(3, nodes); err != nil {
			return nil, err
		}
		middle := len(nodes) / 2
		return Between(nodes[:middle], nodes[middle+1:]), nil
	}}
}

// Ring lets every node hear a majority, itself included, and no two nodes the
// same one: its nearest neighbours on a circle. With an even number of nodes
// the majority is half of them and one more, which a symmetric neighbourhood
// can only hold when it has one node too many.
func Ring() Shape {
	return Shape{"ring", func(nodes []string) (Cuts, error) {
		if err := atLeast(4, nodes); err != nil {
			return nil, err
		}
		n := len(nodes)
		reach := (n/2 + 1) / 2 // neighbours on each side: 2*reach+1 > n/2
		var cuts Cuts
		for i, a := range nodes {
			for j, b := range nodes {
				distance := (j - i + n) % n
				if distance = min(distance, n-distance); distance > reach {
					cuts = append(cuts, Cut{a, b})
				}
			}
		}
		return cuts.tidy(), nil
	}}
}

// Zone cuts the nodes of one zone off from those of all others. zoneOf tells a
// node's zone.
func Zone(zone string, zoneOf func(node string) string) Shape {
	return Shape{"zone:" + zone, func(nodes []string) (Cuts, error) {
		var in, out []string
		for _, n := range nodes {
			if zoneOf(n) == zone {
				in = append(in, n)
			} else {
				out = append(out, n)
			}
		}
		if len(in) == 0 || len(out) == 0 {
			return nil, fmt.Errorf("%d nodes in the zone, %d outside it", len(in), len(out))
		}
		return Between(in, out), nil
	}}
}

// Isolate cuts some nodes off from all others; they still hear each other.
func Isolate(alone ...string) Shape {
	return Shape{"isolate(" + strings.Join(alone, ",") + ")", func(nodes []string) (Cuts, error) {
		var in, out []string
		for _, n := range nodes {
			if slices.Contains(alone, n) {
				in = append(in, n)
			} else {
				out = append(out, n)
			}
		}
		if len(in) != len(alone) || len(in) == 0 || len(out) == 0 {
			return nil, fmt.Errorf("%d of %d named nodes are there, %d others", len(in), len(alone), len(out))
		}
		return Between(in, out), nil
	}}
}

// Flip is the other direction of every cut.
func (c Cuts) Flip() Cuts {
	flipped := make(Cuts, len(c))
	for i, cut := range c {
		flipped[i] = Cut{cut.To, cut.From}
	}
	return flipped.tidy()
}

// Or is every cut of either.
func (c Cuts) Or(other Cuts) Cuts { return slices.Concat(c, other).tidy() }

// Has tells whether from's packets do not reach to.
func (c Cuts) Has(from, to string) bool { return slices.Contains(c, Cut{from, to}) }

// Hears lists whom a node hears, itself included.
func (c Cuts) Hears(node string, nodes []string) []string {
	var heard []string
	for _, from := range nodes {
		if !c.Has(from, node) {
			heard = append(heard, from)
		}
	}
	return heard
}

func (c Cuts) tidy() Cuts {
	slices.SortFunc(c, func(a, b Cut) int {
		if order := strings.Compare(a.From, b.From); order != 0 {
			return order
		}
		return strings.Compare(a.To, b.To)
	})
	return slices.Compact(c)
}

func atLeast(n int, nodes []string) error {
	if len(nodes) < n {
		return fmt.Errorf("needs %d nodes or more, there are %d", n, len(nodes))
	}
	return nil
}

func shuffled(seed uint64, nodes []string) []string {
	mixed := slices.Clone(nodes)
	rng := rand.New(rand.NewPCG(seed, 0x73706c6974))
	rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed
}
