package split

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("n%02d", i)
	}
	return all
}

// draw gives some nodes in any order.
func draw(t *rapid.T, least int) []string {
	return rapid.Permutation(names(rapid.IntRange(least, 12).Draw(t, "nodes"))).Draw(t, "order")
}

func symmetric(c Cuts) bool { return slices.Equal(c, c.Flip()) }

// Every shape that is not one-way: no node is cut off from itself, and what is
// cut one way is cut the other.
func TestShapesAreSymmetricAndKeepEverybodyWithThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := draw(t, 4)
		seed := rapid.Uint64().Draw(t, "seed")
		for _, s := range []Shape{Halves(), RandomHalves(seed), Minority(seed), Bridge(), Ring(), Isolate(nodes[0]), Zone("z", func(n string) string {
			if n < "n02" {
				return "z"
			}
			return "y"
		})} {
			cuts, err := s.Of(nodes)
			if err != nil {
				t.Fatal(s, err)
			}
			again, _ := s.Of(nodes)
			if !slices.Equal(cuts, again) {
				t.Fatal(s, "is not deterministic")
			}
			if len(nodes) > 4 && len(cuts) == 0 {
				t.Fatal(s, "cuts nothing")
			}
			if !symmetric(cuts) {
				t.Fatal(s, "is not symmetric:", cuts)
			}
			for _, n := range nodes {
				if cuts.Has(n, n) {
					t.Fatal(s, "cuts", n, "off from itself")
				}
			}
		}
	})
}

func TestHalvesPartEverybody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := draw(t, 2)
		cuts, err := RandomHalves(rapid.Uint64().Draw(t, "seed")).Of(nodes)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			if heard := len(cuts.Hears(n, nodes)); heard != len(nodes)/2 && heard != (len(nodes)+1)/2 {
				t.Fatal(n, "hears", heard, "of", len(nodes))
			}
		}
	})
}

func TestAMinorityHasNoQuorumAndTheRestHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := draw(t, 3)
		cuts, err := Minority(rapid.Uint64().Draw(t, "seed")).Of(nodes)
		if err != nil {
			t.Fatal(err)
		}
		with := 0
		for _, n := range nodes {
			if heard := cuts.Hears(n, nodes); len(heard) > len(nodes)/2 {
				with++
			}
		}
		if with != len(nodes)-(len(nodes)-1)/2 {
			t.Fatal(with, "of", len(nodes), "have a quorum")
		}
	})
}

func TestOneNodeBridgesTheHalves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := draw(t, 3)
		cuts, err := Bridge().Of(nodes)
		if err != nil {
			t.Fatal(err)
		}
		var bridges []string
		for _, n := range nodes {
			if len(cuts.Hears(n, nodes)) == len(nodes) {
				bridges = append(bridges, n)
			}
		}
		if len(bridges) != 1 {
			t.Fatal("bridges:", bridges)
		}
	})
}

func TestInARingEverybodyHearsAMajorityAndNoTwoTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := draw(t, 5)
		cuts, err := Ring().Of(nodes)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{}
		for _, n := range nodes {
			heard := cuts.Hears(n, nodes)
			if len(heard) <= len(nodes)/2 {
				t.Fatal(n, "hears only", heard)
			}
			key := strings.Join(heard, " ")
			if other, same := seen[key]; same && len(heard) < len(nodes) {
				t.Fatal(n, "and", other, "hear the same")
			}
			seen[key] = n
		}
	})
}

func TestOneWayLeavesTheOtherWay(t *testing.T) {
	cuts := OneWay([]string{"a", "b"}, []string{"b", "c"})
	require.Equal(t, Cuts{{"a", "b"}, {"a", "c"}, {"b", "c"}}, cuts)
	require.True(t, cuts.Has("a", "b"))
	require.False(t, cuts.Has("b", "a"))
	require.Equal(t, Cuts{{"b", "a"}, {"c", "a"}, {"c", "b"}}, cuts.Flip())
	require.True(t, symmetric(cuts.Or(cuts.Flip())))
}

func TestTooFewNodesAndWrongNamesAreErrors(t *testing.T) {
	for _, s := range []Shape{Halves(), Minority(1), Bridge(), Ring(), RandomHalves(1), Isolate(), Isolate("a"), Isolate("a", "x"), Zone("z", func(string) string { return "z" })} {
		_, err := s.Of([]string{"a"})
		require.ErrorContains(t, err, s.String())
	}
	_, err := Halves().Of([]string{"a", "b", "a"})
	require.ErrorContains(t, err, "named twice")
	_, err = Zone("z", func(string) string { return "y" }).Of(names(3))
	require.Error(t, err)
}

// The shapes as one reads them in an incident report.
func TestShapesOfFiveNodes(t *testing.T) {
	five := []string{"a", "b", "c", "d", "e"}
	for _, c := range []struct {
		shape Shape
		want  string
	}{
		{Halves(), "a:ab b:ab c:cde d:cde e:cde"},
		{Bridge(), "a:abc b:abc c:abcde d:cde e:cde"},
		{Ring(), "a:abe b:abc c:bcd d:cde e:ade"},
		{Isolate("c"), "a:abde b:abde c:c d:abde e:abde"},
	} {
		cuts, err := c.shape.Of(five)
		require.NoError(t, err)
		var got []string
		for _, n := range five {
			got = append(got, n+":"+strings.Join(cuts.Hears(n, five), ""))
		}
		require.Equal(t, c.want, strings.Join(got, " "), c.shape.String())
	}
}
