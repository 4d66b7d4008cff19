package linear

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// maxConfigurations bounds the search's memory: a configuration is about 48
// bytes with its share of the tables.
const maxConfigurations = 1 << 18

// maxPending is how many definite operations of one register may overlap.
const maxPending = 64

// search decides a register whose values repeat, by just-in-time
// linearization (Lowe, "Testing for linearizability", Concurrency and
// Computation 29(4), 2017): walk the history in time, keep every state that
// the register can be in, and linearize an operation no later than where it
// ends, and others only where that needs them.
//
//	configuration = value of the register
//	              + which of the operations under way have taken effect
//	              + how many writes of unknown outcome were used, by kind
//
// Writes of unknown outcome are used only where the next operation observes
// them, and those that write the same value are one pool: a hundred of them
// are a counter, not 2^100 subsets. A configuration that used more of the
// pools than another and is otherwise equal is dropped.
func search(ctx context.Context, ops []*record.Op) (*Violation, error) {
	at, err := stuck(ctx, ops)
	if err != nil || at == nil {
		return nil, err
	}
	return &Violation{Name: "not linearizable", Witness: shrink(ctx, ops, at),
		Text: fmt.Sprintf("no order of the operations explains %s of %s", at.Function, text(at.Value))}, nil
}

// pool is the writes of unknown outcome that do the same thing.
type pool struct {
	function      record.Function
	expect, value int64
	starts        []record.Time // sorted
}

type configuration struct {
	value   int64
	applied uint64 // which pending slots have taken effect
	used    string // counts per pool, two bytes each
}

// step is a configuration on the way to the target. With observe set, its
// last operation was a write of unknown outcome.
type step struct {
	configuration
	observe bool
}

type searcher struct {
	pools   []pool
	pending [maxPending]*record.Op
	active  uint64
	now     record.Time
	next    map[configuration]struct{}
	visited map[step]struct{}
	target  uint64
	over    bool
}

// stuck returns the first operation at whose end no configuration is left, or
// nil when the history is linearizable.
func stuck(ctx context.Context, ops []*record.Op) (*record.Op, error) {
	type event struct {
		at  record.Time
		end bool
		op  *record.Op
	}
	var events []event
	s := &searcher{}
	for _, o := range ops {
		switch {
		case o.Outcome == record.Ok && (o.Function == record.Read || o.Function == record.Write || o.Function == record.CompareAndSet):
			events = append(events, event{o.Start, false, o}, event{o.End, true, o})
		case o.Outcome == record.Info && (o.Function == record.Write || o.Function == record.CompareAndSet):
			s.unknown(o)
		}
	}
	slices.SortStableFunc(events, func(a, b event) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Compare(b2i(a.end), b2i(b.end))
	})
	for i := range s.pools {
		slices.Sort(s.pools[i].starts)
		if len(s.pools[i].starts) > math.MaxUint16 {
			return nil, fmt.Errorf("%w: more than %d like writes of unknown outcome", ErrUndecided, math.MaxUint16)
		}
	}
	slots := map[*record.Op]int{}
	current := map[configuration]struct{}{{value: record.Absent, used: string(make([]byte, 2*len(s.pools)))}: {}}
	for i, e := range events {
		if i&63 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !e.end {
			free := bits.TrailingZeros64(^s.active)
			if free == maxPending {
				return nil, fmt.Errorf("%w: more than %d operations overlap", ErrUndecided, maxPending)
			}
			s.active |= 1 << free
			s.pending[free], slots[e.op] = e.op, free
			continue
		}
		slot := slots[e.op]
		delete(slots, e.op)
		s.now, s.target = e.at, 1<<slot
		s.next, s.visited = map[configuration]struct{}{}, map[step]struct{}{}
		for c := range current {
			s.reach(c, false)
			if s.over {
				return nil, fmt.Errorf("%w: more than %d configurations", ErrUndecided, maxConfigurations)
			}
		}
		if len(s.next) == 0 {
			return e.op, nil
		}
		current = undominated(s.next)
		s.active &^= s.target
		s.pending[slot] = nil
	}
	return nil, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *searcher) unknown(o *record.Op) {
	expect := o.Expect
	if o.Function == record.Write {
		expect = 0
	}
	i := slices.IndexFunc(s.pools, func(p pool) bool {
		return p.function == o.Function && p.value == o.Value && p.expect == expect
	})
	if i < 0 {
		s.pools = append(s.pools, pool{function: o.Function, value: o.Value, expect: expect})
		i = len(s.pools) - 1
	}
	s.pools[i].starts = append(s.pools[i].starts, o.Start)
}

// reach collects every configuration in which the target has just taken
// effect. With observe set, only operations that observe the value may come
// next: the last step was a write of unknown outcome.
func (s *searcher) reach(c configuration, observe bool) {
	if s.over {
		return
	}
	if c.applied&s.target != 0 {
		c.applied &^= s.target
		s.next[c] = struct{}{}
		return
	}
	here := step{c, observe}
	if _, been := s.visited[here]; been {
		return
	}
	s.visited[here] = struct{}{}
	if len(s.visited)+len(s.next) > maxConfigurations {
		s.over = true
		return
	}
	for left := s.active &^ c.applied; left != 0; left &= left - 1 {
		slot := bits.TrailingZeros64(left)
		o := s.pending[slot]
		to := configuration{value: c.value, applied: c.applied | 1<<slot, used: c.used}
		switch o.Function {
		case record.Read:
			if o.Value != c.value {
				continue
			}
		case record.Write:
			if observe {
				continue
			}
			to.value = o.Value
		case record.CompareAndSet:
			if o.Expect != c.value {
				continue
			}
			to.value = o.Value
		}
		s.reach(to, false)
	}
	for i := range s.pools {
		p := &s.pools[i]
		if p.value == c.value || p.function == record.CompareAndSet && p.expect != c.value || observe && p.function == record.Write {
			continue
		}
		n := int(c.used[2*i])<<8 | int(c.used[2*i+1])
		if n >= len(p.starts) || p.starts[n] > s.now {
			continue
		}
		used := []byte(c.used)
		used[2*i], used[2*i+1] = byte((n+1)>>8), byte(n+1)
		s.reach(configuration{value: p.value, applied: c.applied, used: string(used)}, true)
	}
}

// undominated drops configurations that used more of some pool than another
// one that is otherwise equal, and less of none.
func undominated(all map[configuration]struct{}) map[configuration]struct{} {
	type state struct {
		value   int64
		applied uint64
	}
	groups := map[state][]string{}
	for c := range all {
		groups[state{c.value, c.applied}] = append(groups[state{c.value, c.applied}], c.used)
	}
	out := make(map[configuration]struct{}, len(all))
	for at, useds := range groups {
		for i, u := range useds {
			dominated := len(useds) <= 256 && slices.ContainsFunc(useds, func(v string) bool { return v != u && covers(u, v) })
			if !dominated {
				out[configuration{at.value, at.applied, useds[i]}] = struct{}{}
			}
		}
	}
	return out
}

// covers reports whether u used at least as much as v of every pool.
func covers(u, v string) bool {
	for i := 0; i < len(u); i += 2 {
		if u[i:i+2] < v[i:i+2] {
			return false
		}
	}
	return true
}

// shrink drops operations while the rest stays impossible, in large pieces
// first (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
// input", IEEE TSE 28(2), 2002). A write is only dropped when nothing left
// observes its value, or the rest would be impossible for a trivial reason.
func shrink(ctx context.Context, ops []*record.Op, at *record.Op) []record.Op {
	var kept []*record.Op
	for _, o := range ops {
		if o.Start <= at.End && (o.Outcome == record.Ok || o.Outcome == record.Info && o.Function != record.Read) {
			kept = append(kept, o)
		}
	}
	slices.SortStableFunc(kept, func(a, b *record.Op) int { return cmp.Compare(a.Start, b.Start) })
	const most = 400 // searches
	tries := 0
	for piece := (len(kept) + 1) / 2; piece > 0 && tries < most; {
		dropped := false
		for i := 0; i < len(kept) && tries < most; {
			rest := drop(kept, i, min(i+piece, len(kept)))
			if len(rest) == len(kept) {
				i += piece
				continue
			}
			tries++
			if left, err := stuck(ctx, rest); err == nil && left != nil {
				kept, dropped = rest, true
				continue // what followed the piece is now at i
			}
			i += piece
		}
		if piece == 1 && !dropped {
			break
		}
		piece = max(1, min(piece/2, (len(kept)+1)/2))
	}
	const widest = 40
	if len(kept) > widest {
		kept = kept[len(kept)-widest:]
	}
	return witness(kept...)
}

// drop returns ops without those of [from, to) that nothing else observes.
func drop(ops []*record.Op, from, to int) []*record.Op {
	observed := map[int64]bool{}
	observe := func(o *record.Op) {
		switch o.Function {
		case record.Read:
			observed[o.Value] = true
		case record.CompareAndSet:
			observed[o.Expect] = true
		}
	}
	for i, o := range ops {
		if i < from || i >= to {
			observe(o)
		}
	}
	var needed []*record.Op // backwards: what a kept operation expects was written before it
	for i := to - 1; i >= from; i-- {
		if o := ops[i]; o.Function != record.Read && observed[o.Value] {
			needed = append(needed, o)
			observe(o)
		}
	}
	slices.Reverse(needed)
	return slices.Concat(ops[:from], needed, ops[to:])
}
