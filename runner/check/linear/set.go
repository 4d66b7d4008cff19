package linear

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// Set decides whether the operations of one growing set (Add of unique values,
// ReadSet of the whole; others are not looked at) are linearizable.
//
// Reads of a set that only grows must form a chain by inclusion, and then
// every operation's rank in the order is known but for equals:
//
//	rank 0      1       2       3       4
//	adds   ─▶ reads ─▶ adds ─▶ reads ─▶ adds that no read saw
//	{a,b}     {a,b}    {c}     {a,b,c}
//
// It is linearizable if and only if no operation ended before one of a lower
// rank began. The cost is that of sorting what was read.
func Set(ctx context.Context, ops []*record.Op) (*Violation, error) {
	s := set{adds: map[int64]*ranked{}, failed: map[int64]*record.Op{}}
	s.collect(ops)
	v, err := s.chain(ctx)
	if v != nil || err != nil {
		return v, err
	}
	return s.sweep(), nil
}

type ranked struct {
	op   *record.Op
	rank int // even for adds, odd for reads; -1 unknown
}

type set struct {
	adds   map[int64]*ranked
	failed map[int64]*record.Op
	reads  []*ranked
	levels []*record.Op // the first read of each size, for witnesses
}

func (s *set) collect(ops []*record.Op) {
	for _, o := range ops {
		switch {
		case o.Function == record.Add && (o.Outcome == record.Ok || o.Outcome == record.Info):
			if a := s.adds[o.Value]; a != nil {
				a.op = either(a.op, o)
				continue
			}
			s.adds[o.Value] = &ranked{o, -1}
		case o.Function == record.Add && o.Outcome == record.Fail:
			s.failed[o.Value] = o
		case o.Function == record.ReadSet && o.Outcome == record.Ok:
			s.reads = append(s.reads, &ranked{o, -1})
		}
	}
}

// chain ranks the reads by inclusion and the adds by the first read that saw
// them.
func (s *set) chain(ctx context.Context) (*Violation, error) {
	slices.SortStableFunc(s.reads, func(a, b *ranked) int {
		return cmp.Or(cmp.Compare(len(a.op.Values), len(b.op.Values)), cmp.Compare(a.op.Start, b.op.Start))
	})
	var previous []int64
	rank := -1
	for i, r := range s.reads {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		values := slices.Clone(r.op.Values)
		slices.Sort(values)
		for j := 1; j < len(values); j++ {
			if values[j] == values[j-1] {
				return &Violation{Name: "duplicate", Witness: witness(s.addOf(values[j]), r.op),
					Text: fmt.Sprintf("%d is in the set twice", values[j])}, nil
			}
		}
		if missing, ok := notIn(previous, values); ok && i > 0 {
			extra, _ := notIn(values, previous)
			return &Violation{Name: "incomparable reads", Witness: witness(s.addOf(missing), s.addOf(extra), s.reads[i-1].op, r.op),
				Text: fmt.Sprintf("one read saw %d and not %d, another %d and not %d", missing, extra, extra, missing)}, nil
		}
		if i == 0 || len(values) > len(previous) {
			rank += 2
			s.levels = append(s.levels, r.op)
			if v := s.place(values, previous, rank-1, r.op); v != nil {
				return v, nil
			}
		}
		r.rank, previous = rank, values
	}
	return nil, nil
}

func (s *set) place(values, previous []int64, rank int, read *record.Op) *Violation {
	j := 0
	for _, v := range values {
		for j < len(previous) && previous[j] < v {
			j++
		}
		if j < len(previous) && previous[j] == v {
			continue
		}
		if a := s.adds[v]; a != nil {
			a.rank = rank
			continue
		}
		if o := s.failed[v]; o != nil {
			return &Violation{Name: "read of a failed write", Witness: witness(o, read), Text: fmt.Sprintf("%d was read although its add was refused", v)}
		}
		return &Violation{Name: "phantom", Witness: witness(read), Text: fmt.Sprintf("%d was read but never added", v)}
	}
	return nil
}

func (s *set) addOf(v int64) *record.Op {
	if a := s.adds[v]; a != nil {
		return a.op
	}
	return nil
}

// notIn returns an element of sorted a that sorted b lacks.
func notIn(a, b []int64) (int64, bool) {
	j := 0
	for _, v := range a {
		for j < len(b) && b[j] < v {
			j++
		}
		if j == len(b) || b[j] != v {
			return v, true
		}
	}
	return 0, false
}

// sweep looks for an operation that ended before one of a lower rank began.
func (s *set) sweep() *Violation {
	all := make([]*ranked, 0, len(s.adds)+len(s.reads))
	top := 2 * len(s.levels)
	for _, a := range s.adds {
		switch {
		case a.rank >= 0:
			all = append(all, a)
		case a.op.Outcome == record.Ok:
			a.rank = top
			all = append(all, a)
		}
	}
	all = append(all, s.reads...)
	slices.SortFunc(all, func(a, b *ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.op.Start, b.op.Start), cmp.Compare(a.op.Value, b.op.Value))
	})
	var lower, latest *ranked // the latest start of all lower ranks, and with this rank's
	for i, r := range all {
		if i > 0 && all[i-1].rank != r.rank {
			lower = latest
		}
		if lower != nil && end(r.op) < lower.op.Start {
			return s.early(r, lower)
		}
		if latest == nil || r.op.Start > latest.op.Start {
			latest = r
		}
	}
	return nil
}

// early explains why r, which must come after low, cannot.
func (s *set) early(r, low *ranked) *Violation {
	v := &Violation{Name: "not linearizable", Witness: witness(r.op, low.op)}
	add := func(x *ranked) bool { return x.op.Function == record.Add }
	switch {
	case add(r) && !add(low):
		v.Name = "missing element"
		v.Text = fmt.Sprintf("a read that began after add of %d was acknowledged does not see it", r.op.Value)
	case !add(r) && add(low):
		v.Text = fmt.Sprintf("%d was read before its add began", low.op.Value)
	case !add(r) && !add(low):
		v.Name = "stale read"
		v.Text = "a read saw less than one that had ended before it began"
	default:
		// Some read between the two ranks saw low's element and not r's.
		between := s.levels[low.rank/2]
		v.Witness = witness(r.op, low.op, between)
		v.Text = fmt.Sprintf("%d was acknowledged before add of %d began, but a read saw only the latter", r.op.Value, low.op.Value)
	}
	return v
}
