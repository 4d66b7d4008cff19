package cycle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// A second checker, as plain as can be: it compares all pairs of transactions
// for dependencies, walks every simple cycle, and classifies it.

type bruteEdge struct {
	to int
	k  Kind
}

func bruteEdges(ops []record.Op) [][]bruteEdge {
	longest := map[uint64][]int64{}
	for _, o := range ops {
		for _, m := range o.Micro {
			if o.Outcome == record.Ok && m.Function == record.ReadList && len(m.Values) > len(longest[m.Key]) {
				longest[m.Key] = m.Values
			}
		}
	}
	position := func(m record.Micro) int { return slices.Index(longest[m.Key], m.Value) }
	committed := func(o record.Op) bool {
		return o.Outcome == record.Ok || o.Outcome == record.Info && slices.ContainsFunc(o.Micro, func(m record.Micro) bool {
			return m.Function == record.Append && position(m) >= 0
		})
	}
	edges := make([][]bruteEdge, len(ops))
	for i, a := range ops {
		for j, b := range ops {
			if i == j || !committed(a) || !committed(b) {
				continue
			}
			if a.Outcome == record.Ok && a.End < b.Start {
				edges[i] = append(edges[i], bruteEdge{j, Realtime})
			}
			for _, m := range a.Micro {
				for _, n := range b.Micro {
					if m.Key != n.Key {
						continue
					}
					last := len(longest[m.Key]) - 1
					switch {
					case m.Function == record.Append && n.Function == record.Append:
						p, q := position(m), position(n)
						if p >= 0 && (q == p+1 || q < 0 && p == last && b.Outcome == record.Ok) {
							edges[i] = append(edges[i], bruteEdge{j, WW})
						}
					case m.Function == record.Append && b.Outcome == record.Ok:
						if p := position(m); p >= 0 && p == len(n.Values)-1 {
							edges[i] = append(edges[i], bruteEdge{j, WR})
						}
					case n.Function == record.Append && a.Outcome == record.Ok && m.Function == record.ReadList:
						q := position(n)
						if q == len(m.Values) && q >= 0 || q < 0 && len(m.Values) == last+1 && b.Outcome == record.Ok {
							edges[i] = append(edges[i], bruteEdge{j, RW})
						}
					}
				}
			}
		}
	}
	return edges
}

func bruteClasses(edges [][]bruteEdge) map[string]bool {
	found := map[string]bool{}
	var walk func(root, at int, path []int, ks []Kind)
	walk = func(root, at int, path []int, ks []Kind) {
		for _, e := range edges[at] {
			if e.to == root {
				found[bruteClass(append(slices.Clone(ks), e.k))] = true
			} else if e.to > root && !slices.Contains(path, e.to) {
				walk(root, e.to, append(slices.Clone(path), e.to), append(slices.Clone(ks), e.k))
			}
		}
	}
	for root := range edges {
		walk(root, root, []int{root}, nil)
	}
	return found
}

func bruteClass(ks []Kind) string {
	s := ""
	for _, k := range ks {
		s += string("wraPRx"[k]) // w ww, r wr, a anti-dependency, R realtime
	}
	suffix := ""
	if strings.Contains(s, "R") {
		suffix = "-realtime"
	}
	switch n := strings.Count(s, "a"); {
	case n == 0 && !strings.Contains(s, "r"):
		return "G0" + suffix
	case n == 0:
		return "G1c" + suffix
	case n == 1:
		return "G-single" + suffix
	case strings.Contains(s+s[:1], "aa"):
		return "G2-item" + suffix
	}
	return "G-nonadjacent" + suffix
}

// anything makes a small history of transactions on two lists that follows no
// isolation level at all: every read is some beginning of the list's order.
func anything(r *rand.Rand) []record.Op {
	n := 2 + r.IntN(4)
	ops := make([]record.Op, n)
	order := map[uint64][]int64{}
	for i := range ops {
		start := record.Time(r.IntN(60))
		ops[i] = record.Op{Start: start, End: start + record.Time(1+r.IntN(40)), Process: uint32(i), Function: record.Transaction, Outcome: record.Ok}
		switch r.IntN(12) {
		case 0:
			ops[i].Outcome = record.Info
		}
		for key := uint64(1); key <= 3; key++ {
			switch r.IntN(5) {
			case 0, 1:
				v := int64(100*i + 1)
				ops[i].Micro = append(ops[i].Micro, record.Micro{Function: record.Append, Key: key, Value: v})
				at := r.IntN(len(order[key]) + 1)
				order[key] = slices.Insert(order[key], at, v)
			case 2, 3:
				ops[i].Micro = append(ops[i].Micro, record.Micro{Function: record.ReadList, Key: key})
			}
		}
	}
	for i := range ops {
		for j := range ops[i].Micro {
			if m := &ops[i].Micro[j]; m.Function == record.ReadList {
				m.Values = order[m.Key][:r.IntN(len(order[m.Key])+1)]
			}
		}
	}
	return ops
}

func analyse(t *testing.T, ops []record.Op, o Options) *Result {
	t.Helper()
	h := NewHistory(1, func(i int) record.Op { return ops[i] })
	for i := range ops {
		h.Add(i, &ops[i])
	}
	res, err := h.Check(context.Background(), o)
	require.NoError(t, err)
	return res
}

// What the one finds the other must find: G0, G1c, G-single and G2-item
// exactly; G-nonadjacent at least where nothing stronger hides it.
func TestAgreesWithAPlainChecker(t *testing.T) {
	rounds := 30000
	if testing.Short() {
		rounds = 3000
	}
	seen := map[string]int{}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		ops := anything(r)
		edges := bruteEdges(ops)
		real := bruteClasses(edges)
		for i := range edges {
			edges[i] = slices.DeleteFunc(edges[i], func(e bruteEdge) bool { return e.k == Realtime })
		}
		want := bruteClasses(edges)
		for c := range real {
			if base, suffix := Split(c); suffix != "" && !want[base] {
				want[c] = true
			}
		}
		res := analyse(t, ops, Options{Realtime: true})
		got := map[string]bool{}
		for _, a := range res.Anomalies {
			if strings.HasPrefix(a.Name, "G") {
				got[a.Name] = true
				assert.GreaterOrEqual(t, len(a.Witness), 2)
				assert.NotContains(t, a.Text, "%!")
			}
		}
		for c := range got {
			if !real[c] {
				t.Fatalf("seed %d: %s was found, and does not exist (%v)\n%s", seed, c, real, dump(ops))
			}
		}
		// An edge that is exempt by a stronger class in its own component only
		// makes a suffixed class invisible, never a base class.
		for c := range want {
			seen[c]++
			base, suffix := Split(c)
			if !got[c] && base != GNonadjacent && suffix == "" {
				t.Fatalf("seed %d: %s was not found, only %v of %v\n%s", seed, c, got, want, dump(ops))
			}
			if len(want) == 1 && !got[c] {
				t.Fatalf("seed %d: %s alone was not found, but %v\n%s", seed, c, got, dump(ops))
			}
		}
		assert.Equal(t, len(real) == 0, len(got) == 0, "seed %d", seed)
	}
	t.Log(seen)
	for _, c := range []string{"G0", "G1c", "G-single", "G-nonadjacent", "G2-item", "G0-realtime", "G1c-realtime", "G-single-realtime", "G-nonadjacent-realtime", "G2-item-realtime"} {
		assert.Greater(t, seen[c], 10, c)
	}
}

func dump(ops []record.Op) string {
	s := ""
	for i := range ops {
		s += fmt.Sprintf("%s\n", describe(&ops[i]))
	}
	return s
}

// The same for registers, where less of the order is known: a version comes
// right after another only where its writer had read that one.
func bruteRegisterEdges(ops []record.Op) [][]bruteEdge {
	at := func(o record.Op, key uint64, f record.Function) (int64, bool) {
		for _, m := range o.Micro {
			if m.Key == key && m.Function == f {
				return m.Value, true
			}
		}
		return 0, false
	}
	edges := make([][]bruteEdge, len(ops))
	for i, a := range ops {
		for j, b := range ops {
			if i == j {
				continue
			}
			if a.End < b.Start {
				edges[i] = append(edges[i], bruteEdge{j, Realtime})
			}
			for key := uint64(1); key <= 3; key++ {
				wroteA, aw := at(a, key, record.Write)
				readA, ar := at(a, key, record.Read)
				_, bw := at(b, key, record.Write)
				readB, br := at(b, key, record.Read)
				if aw && br && wroteA == readB {
					edges[i] = append(edges[i], bruteEdge{j, WR})
					if bw {
						edges[i] = append(edges[i], bruteEdge{j, WW})
					}
				}
				if ar && bw && (readA == record.Absent || br && readA == readB) {
					edges[i] = append(edges[i], bruteEdge{j, RW})
				}
			}
		}
	}
	return edges
}

func TestAgreesWithAPlainCheckerOnRegisters(t *testing.T) {
	seen := map[string]int{}
	for seed := range 10000 {
		r := rand.New(rand.NewPCG(uint64(seed), 4))
		ops := make([]record.Op, 2+r.IntN(4))
		written := map[uint64][]int64{}
		for i := range ops {
			start := record.Time(r.IntN(60))
			ops[i] = record.Op{Start: start, End: start + record.Time(1+r.IntN(40)), Process: uint32(i), Function: record.Transaction, Outcome: record.Ok}
			for key := uint64(1); key <= 3; key++ {
				if r.IntN(2) == 0 {
					ops[i].Micro = append(ops[i].Micro, record.Micro{Function: record.Read, Key: key})
				}
				if r.IntN(2) == 0 {
					v := int64(10*i + 1)
					ops[i].Micro = append(ops[i].Micro, record.Micro{Function: record.Write, Key: key, Value: v})
					written[key] = append(written[key], v)
				}
			}
		}
		for i := range ops {
			for j := range ops[i].Micro {
				m := &ops[i].Micro[j]
				if m.Function != record.Read {
					continue
				}
				m.Value = record.Absent
				if n := len(written[m.Key]); n > 0 && r.IntN(4) > 0 {
					if v := written[m.Key][r.IntN(n)]; v != int64(10*i+1) {
						m.Value = v
					}
				}
			}
		}
		edges := bruteRegisterEdges(ops)
		want := bruteClasses(edges)
		got := map[string]bool{}
		for _, a := range analyse(t, ops, Options{Realtime: true}).Anomalies {
			if base, _ := Split(a.Name); slices.Contains([]string{G0, G1c, GSingle, GNonadjacent, G2Item}, base) {
				got[a.Name] = true
				require.True(t, want[a.Name], "seed %d: %s does not exist, %v\n%s", seed, a.Name, want, dump(ops))
			}
		}
		for c := range want {
			if base, suffix := Split(c); suffix == "" && base != GNonadjacent {
				seen[c]++
				require.True(t, got[c], "seed %d: %s was not found, only %v\n%s", seed, c, got, dump(ops))
			}
		}
		require.Equal(t, len(want) == 0, len(got) == 0, "seed %d", seed)
	}
	t.Log(seen)
}
