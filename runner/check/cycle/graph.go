package cycle

import (
	"cmp"
	"context"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// graph is a directed graph in compressed rows: the edges of node n are
// to[start[n]:start[n+1]].
type graph struct {
	start []uint32
	to    []uint32
	kind  []Kind
}

func (g *graph) nodes() int { return len(g.start) - 1 }

// build makes a graph of an edge generator, which is called twice: to count,
// and to fill.
func build(nodes int, each func(emit func(from, to uint32, k Kind))) *graph {
	g := &graph{start: make([]uint32, nodes+1)}
	each(func(from, _ uint32, _ Kind) { g.start[from+1]++ })
	for i := 1; i <= nodes; i++ {
		g.start[i] += g.start[i-1]
	}
	g.to = make([]uint32, g.start[nodes])
	g.kind = make([]Kind, g.start[nodes])
	next := slices.Clone(g.start[:nodes])
	each(func(from, to uint32, k Kind) {
		g.to[next[from]], g.kind[next[from]] = to, k
		next[from]++
	})
	return g
}

// components returns the strongly connected components with more than one
// node (Tarjan, "Depth-first search and linear graph algorithms", SIAM J.
// Comput. 1(2), 1972), over the edges of the given kinds. With number given,
// it is filled with each node's component: an edge between components leads to
// the lower number.
func (g *graph) components(ctx context.Context, allowed kinds, number []uint32) ([][]uint32, error) {
	const unseen = 0
	n := g.nodes()
	index, low := make([]uint32, n), make([]uint32, n)
	cursor := make([]uint32, n)
	onStack := make([]bool, n)
	var stack, path []uint32
	var out [][]uint32
	var clock, components uint32
	steps := 0
	for root := range n {
		if index[root] != unseen {
			continue
		}
		path = append(path[:0], uint32(root))
		for len(path) > 0 {
			if steps++; steps&0xfffff == 0 && ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			v := path[len(path)-1]
			if index[v] == unseen {
				clock++
				index[v], low[v], cursor[v] = clock, clock, g.start[v]
				stack = append(stack, v)
				onStack[v] = true
			}
			deeper := false
			for ; cursor[v] < g.start[v+1]; cursor[v]++ {
				if !allowed.has(g.kind[cursor[v]]) {
					continue
				}
				w := g.to[cursor[v]]
				if index[w] == unseen {
					path = append(path, w)
					deeper = true
					break
				}
				if onStack[w] {
					low[v] = min(low[v], low[w])
				}
			}
			if deeper {
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				p := path[len(path)-1]
				low[p] = min(low[p], low[v])
			}
			if low[v] != index[v] {
				continue
			}
			from := len(stack) - 1
			for stack[from] != v {
				from--
			}
			for _, w := range stack[from:] {
				onStack[w] = false
				if number != nil {
					number[w] = components
				}
			}
			if len(stack)-from > 1 {
				out = append(out, slices.Clone(stack[from:]))
			}
			components++
			stack = stack[:from]
		}
	}
	return out, nil
}

// graph builds the graph of dependencies. Nodes are transactions, and with
// real time, barriers behind them:
//
//	T1 ─┐                    ┌─▶ T3      T1 and T2 ended before
//	    ├─realtime─▶ B ─pass─┤           T3 and T4 began
//	T2 ─┘            │       └─▶ T4
//	                 └─pass─▶ B' ...
//
// so that the order costs three edges a transaction at any concurrency.
func (h *History) graph(v *versions, o Options) *graph {
	nodes := uint32(len(h.txns))
	before, after := []uint32(nil), []uint32(nil)
	barriers := uint32(0)
	if o.Realtime {
		before, after, barriers = h.barriers()
	}
	var previous []uint32
	if o.Process {
		previous = h.previous()
	}
	return build(int(nodes+barriers), func(emit func(from, to uint32, k Kind)) {
		v.edges(emit)
		for t, p := range previous {
			if p != nobody {
				emit(p, uint32(t), Process)
			}
		}
		for t := range before {
			if after[t] != nobody {
				emit(uint32(t), nodes+after[t], Realtime)
			}
			if before[t] != nobody {
				emit(nodes+before[t], uint32(t), Pass)
			}
		}
		for b := uint32(1); b < barriers; b++ {
			emit(nodes+b-1, nodes+b, Pass)
		}
	})
}

// barriers returns, for each transaction, the barrier that it begins behind
// and the one that it ends before, or nobody.
func (h *History) barriers() (before, after []uint32, count uint32) {
	starts := make([]uint32, 0, len(h.txns))
	for t := range h.txns {
		if h.txns[t].committed() {
			starts = append(starts, uint32(t))
		}
	}
	ends := make([]uint32, 0, len(starts))
	for _, t := range starts {
		if h.txns[t].outcome == record.Ok {
			ends = append(ends, t)
		}
	}
	slices.SortFunc(starts, func(a, b uint32) int { return cmp.Compare(h.txns[a].start, h.txns[b].start) })
	slices.SortFunc(ends, func(a, b uint32) int { return cmp.Compare(h.txns[a].end, h.txns[b].end) })
	before, after = make([]uint32, len(h.txns)), make([]uint32, len(h.txns))
	for t := range before {
		before[t], after[t] = nobody, nobody
	}
	e, open := 0, false
	for _, t := range starts {
		for ; e < len(ends) && h.txns[ends[e]].end < h.txns[t].start; e++ {
			if !open {
				count++
				open = true
			}
			after[ends[e]] = count - 1
		}
		if count > 0 {
			before[t] = count - 1
		}
		open = false
	}
	return before, after, count
}

// previous returns, for each committed transaction, the one that its process
// ran before, unless that one's outcome is unknown: it may take effect later.
func (h *History) previous() []uint32 {
	out := make([]uint32, len(h.txns))
	order := make([]uint32, len(h.txns))
	for t := range order {
		order[t], out[t] = uint32(t), nobody
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(h.txns[a].start, h.txns[b].start), cmp.Compare(a, b))
	})
	last := map[uint32]uint32{}
	for _, t := range order {
		if !h.txns[t].committed() {
			continue
		}
		p := h.txns[t].process
		if l, ok := last[p]; ok {
			out[t] = l
		}
		if h.txns[t].outcome == record.Ok {
			last[p] = t
		}
	}
	return out
}
