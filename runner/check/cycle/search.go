package cycle

import (
	"context"
	"slices"
	"strings"
)

// The classes of cycle, strongest evidence first.
const (
	G0           = "G0"
	G1c          = "G1c"
	GSingle      = "G-single"
	GNonadjacent = "G-nonadjacent"
	G2Item       = "G2-item"
)

// ring is a cycle: kinds[i] leads from nodes[i] to the next node.
type ring struct {
	nodes []uint32
	kinds []Kind
}

// class names a cycle by its edges.
func (r *ring) class() string {
	rw, adjacent, wr := 0, false, false
	extra := ""
	var real []Kind // without passes: they belong to the edge before them
	for _, k := range r.kinds {
		if k != Pass {
			real = append(real, k)
		}
	}
	for i, k := range real {
		switch k {
		case RW:
			rw++
			adjacent = adjacent || real[(i+1)%len(real)] == RW && len(real) > 1
		case WR:
			wr = true
		case Realtime:
			extra = "-realtime"
		case Process:
			if extra == "" {
				extra = "-process"
			}
		}
	}
	switch {
	case rw == 0 && !wr:
		return G0 + extra
	case rw == 0:
		return G1c + extra
	case rw == 1:
		return GSingle + extra
	case !adjacent:
		return GNonadjacent + extra
	}
	return G2Item + extra
}

// Split parts a class into its base and the suffix -process or -realtime.
func Split(class string) (base, suffix string) {
	for _, suffix := range []string{"-process", "-realtime"} {
		if base, ok := strings.CutSuffix(class, suffix); ok {
			return base, suffix
		}
	}
	return class, ""
}

// searcher classifies the cycles of one strongly connected component.
type searcher struct {
	ctx   context.Context
	g     *graph   // of the component alone, nodes renumbered
	nodes []uint32 // the component's nodes in the whole graph
	work  *int64   // edges that may still be looked at
	best  map[string]*ring
	stamp []uint32 // visited in the search of that number
	from  []uint32 // the edge by which a node was reached
	tail  []uint32 // and the node it came from
	round uint32
}

// newSearcher cuts a component out of the graph. local maps the whole graph's
// nodes to the component's and is left zero.
func newSearcher(ctx context.Context, whole *graph, nodes []uint32, local []uint32, work *int64) *searcher {
	slices.Sort(nodes)
	for i, n := range nodes {
		local[n] = uint32(i + 1)
	}
	s := &searcher{ctx: ctx, nodes: nodes, work: work, best: map[string]*ring{}}
	s.g = build(len(nodes), func(emit func(from, to uint32, k Kind)) {
		for i, n := range nodes {
			for e := whole.start[n]; e < whole.start[n+1]; e++ {
				if l := local[whole.to[e]]; l > 0 {
					emit(uint32(i), l-1, whole.kind[e])
				}
			}
		}
	})
	for _, n := range nodes {
		local[n] = 0
	}
	s.stamp = make([]uint32, 2*len(nodes))
	s.from, s.tail = make([]uint32, 2*len(nodes)), make([]uint32, 2*len(nodes))
	return s
}

// classify finds the shortest cycle of every class that it can, first without,
// then with the orders of processes and real time. complete is false when the
// work ran out before.
func (s *searcher) classify(extras []kinds) (complete bool, err error) {
	complete = true
	for _, extra := range extras {
		for _, step := range []func(kinds) (bool, error){s.g0, s.g1c, s.gSingle, s.gNonadjacent, s.g2} {
			done, err := step(extra)
			if err != nil {
				return false, err
			}
			complete = complete && done
		}
	}
	if len(s.best) == 0 { // a component has a cycle, whatever its class
		spare := int64(len(s.g.to)) + 1
		work := s.work
		s.work = &spare
		r := s.path(s.g.to[0], 0, ^kinds(0), nil, nobody)
		s.work = work
		r.nodes, r.kinds = append([]uint32{0}, r.nodes...), append([]Kind{s.g.kind[0]}, r.kinds...)
		s.keep(r)
	}
	return complete, nil
}

// keep keeps the shortest cycle of each class. A class with a suffix says
// nothing new where the component has the class without it.
func (s *searcher) keep(r *ring) {
	c := r.class()
	base, suffix := Split(c)
	if suffix != "" && s.best[base] != nil || suffix == "-realtime" && s.best[base+"-process"] != nil {
		return
	}
	if b := s.best[c]; b == nil || len(r.nodes) < len(b.nodes) {
		s.best[c] = r
	}
}

// through tries cycles through each edge of a kind that lies within a
// component of the allowed edges, shortest first found wins; a cycle of two is
// as short as it gets.
func (s *searcher) through(k Kind, back kinds, number []uint32) (bool, error) {
	for u := range s.g.nodes() {
		for e := s.g.start[u]; e < s.g.start[u+1]; e++ {
			v := s.g.to[e]
			// Edges lead to lower numbers, so there is no way back up.
			if s.g.kind[e] != k || number[v] < number[u] {
				continue
			}
			if *s.work <= 0 {
				return false, nil
			}
			if s.ctx.Err() != nil {
				return false, context.Cause(s.ctx)
			}
			r := s.path(v, uint32(u), back, number, nobody)
			if r == nil {
				continue
			}
			r.nodes = append([]uint32{uint32(u)}, r.nodes...)
			r.kinds = append([]Kind{k}, r.kinds...)
			s.keep(r)
			if len(r.nodes) == 2 {
				return true, nil
			}
		}
	}
	return true, nil
}

// path returns the shortest way from one node to another over the allowed
// edges: its nodes without the last, and its edges.
func (s *searcher) path(from, to uint32, allowed kinds, number []uint32, avoid uint32) *ring {
	s.round++
	queue := []uint32{from}
	s.stamp[from] = s.round
	for head := 0; head < len(queue); head++ {
		v := queue[head]
		for e := s.g.start[v]; e < s.g.start[v+1]; e++ {
			*s.work--
			w := s.g.to[e]
			if !allowed.has(s.g.kind[e]) || s.stamp[w] == s.round || w == avoid || number != nil && number[w] < number[to] {
				continue
			}
			s.stamp[w], s.from[w], s.tail[w] = s.round, e, v
			if w == to {
				return s.trace(from, to)
			}
			queue = append(queue, w)
		}
		if *s.work <= 0 {
			return nil
		}
	}
	return nil
}

func (s *searcher) trace(from, to uint32) *ring {
	r := &ring{}
	for at := to; at != from; at = s.tail[at] {
		r.nodes = append(r.nodes, s.tail[at])
		r.kinds = append(r.kinds, s.g.kind[s.from[at]])
	}
	slices.Reverse(r.nodes)
	slices.Reverse(r.kinds)
	return r
}

func (s *searcher) number(allowed kinds) ([]uint32, bool, error) {
	number := make([]uint32, s.g.nodes())
	found, err := s.g.components(s.ctx, allowed, number)
	return number, len(found) > 0, err
}

func (s *searcher) g0(extra kinds) (bool, error) {
	allowed := setOf(WW) | extra
	number, any, err := s.number(allowed)
	if err != nil || !any {
		return true, err
	}
	return s.through(WW, allowed, number)
}

func (s *searcher) g1c(extra kinds) (bool, error) {
	allowed := setOf(WW, WR) | extra
	number, any, err := s.number(allowed)
	if err != nil || !any {
		return true, err
	}
	return s.through(WR, allowed, number)
}

// gSingle looks for a way back over ww and wr from behind each rw edge. Way
// and edge need not lie in one component of ww and wr; but the numbers of
// those components still say where no way can lead.
func (s *searcher) gSingle(extra kinds) (bool, error) {
	back := setOf(WW, WR) | extra
	number, _, err := s.number(back)
	if err != nil {
		return true, err
	}
	return s.through(RW, back, number)
}

// gNonadjacent searches the product of the graph with one bit, "the last edge
// was rw", in which a second rw cannot follow at once. Its cycles are the
// cycles without adjacent rw edges.
func (s *searcher) gNonadjacent(extra kinds) (bool, error) {
	flat := setOf(WW, WR) | extra
	n := uint32(s.g.nodes())
	product := build(int(2*n), func(emit func(from, to uint32, k Kind)) {
		for u := range n {
			for e := s.g.start[u]; e < s.g.start[u+1]; e++ {
				switch k := s.g.kind[e]; {
				case k == RW:
					emit(u, n+s.g.to[e], k)
				case flat.has(k):
					emit(u, s.g.to[e], k)
					emit(n+u, s.g.to[e], k)
				}
			}
		}
	})
	number := make([]uint32, 2*n)
	if _, err := product.components(s.ctx, ^kinds(0), number); err != nil {
		return true, err
	}
	p := &searcher{ctx: s.ctx, g: product, work: s.work, stamp: make([]uint32, 2*n), from: make([]uint32, 2*n), tail: make([]uint32, 2*n)}
	for u := range n {
		for e := product.start[u]; e < product.start[u+1]; e++ {
			v := product.to[e]
			if product.kind[e] != RW || number[u] != number[v] {
				continue
			}
			if *s.work <= 0 {
				return false, nil
			}
			if s.ctx.Err() != nil {
				return false, context.Cause(s.ctx)
			}
			r := p.path(v, u, ^kinds(0), nil, nobody)
			if r == nil {
				continue
			}
			r.nodes = append([]uint32{u}, r.nodes...)
			r.kinds = append([]Kind{RW}, r.kinds...)
			for i := range r.nodes {
				r.nodes[i] %= n
			}
			for _, simple := range r.simplify() {
				s.keep(simple)
			}
			if s.best[GNonadjacent] != nil && len(s.best[GNonadjacent].nodes) <= 4 {
				return true, nil
			}
		}
	}
	return true, nil
}

// simplify splits a closed walk at nodes that it visits twice.
func (r *ring) simplify() []*ring {
	var out []*ring
	at := map[uint32]int{}
	walk := &ring{}
	for i, n := range r.nodes {
		if j, again := at[n]; again {
			out = append(out, &ring{slices.Clone(walk.nodes[j:]), slices.Clone(walk.kinds[j:])})
			for _, gone := range walk.nodes[j:] {
				delete(at, gone)
			}
			walk.nodes, walk.kinds = walk.nodes[:j], walk.kinds[:j]
		}
		at[n] = len(walk.nodes)
		walk.nodes, walk.kinds = append(walk.nodes, n), append(walk.kinds, r.kinds[i])
	}
	return append(out, walk)
}

// g2 tries a way back for every two rw edges in a row.
func (s *searcher) g2(extra kinds) (bool, error) {
	allowed := setOf(WW, WR, RW) | extra
	number, any, err := s.number(allowed)
	if err != nil || !any {
		return true, err
	}
	for a := range uint32(s.g.nodes()) {
		for e := s.g.start[a]; e < s.g.start[a+1]; e++ {
			b := s.g.to[e]
			if s.g.kind[e] != RW || number[a] != number[b] {
				continue
			}
			for f := s.g.start[b]; f < s.g.start[b+1]; f++ {
				c := s.g.to[f]
				if s.g.kind[f] != RW || number[b] != number[c] {
					continue
				}
				if *s.work <= 0 {
					return false, nil
				}
				if s.ctx.Err() != nil {
					return false, context.Cause(s.ctx)
				}
				r := &ring{}
				if c != a {
					if r = s.path(c, a, allowed, number, b); r == nil {
						continue
					}
				}
				r.nodes = append([]uint32{a, b}, r.nodes...)
				r.kinds = append([]Kind{RW, RW}, r.kinds...)
				s.keep(r)
				if len(r.nodes) == 2 {
					return true, nil
				}
			}
		}
	}
	return true, nil
}
