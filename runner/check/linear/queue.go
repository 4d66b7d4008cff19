package linear

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// Queue decides whether the operations of one first-in first-out queue
// (Enqueue of unique values, Dequeue; others are not looked at) are
// linearizable. Such a history is wrong if and only if it has one of four
// patterns:
//
//	fresh    a value comes out that never went in, or before it went in
//	repeat   a value comes out twice
//	order    a went in before b; b came out before a did, or a never did
//	empty    a dequeue found nothing while at every instant of it some value
//	         was certainly inside
//
// A dequeue of unknown outcome (its Value record.Absent or 0) may have taken
// any one value that is missing: the missing values that must be gone by a
// deadline are matched with the dequeues that began by then. Beside such
// dequeues the empty pattern gives the missing values the benefit of the
// doubt.
func Queue(_ context.Context, ops []*record.Op) (*Violation, error) {
	q := queue{items: map[int64]*item{}}
	if v := q.collect(ops); v != nil {
		return v, nil
	}
	if v := q.order(); v != nil {
		return v, nil
	}
	return q.emptiness(), nil
}

type item struct {
	in, out *record.Op
}

type queue struct {
	items   map[int64]*item
	empties []*record.Op
	unknown []record.Time // starts of dequeues of unknown outcome
}

func (q *queue) collect(ops []*record.Op) *Violation {
	failed := map[int64]*record.Op{}
	for _, o := range ops {
		if o.Function != record.Enqueue {
			continue
		}
		switch o.Outcome {
		case record.Ok, record.Info:
			if it := q.items[o.Value]; it != nil {
				it.in = either(it.in, o)
				continue
			}
			q.items[o.Value] = &item{in: o}
		case record.Fail:
			failed[o.Value] = o
		}
	}
	for _, o := range ops {
		if o.Function != record.Dequeue {
			continue
		}
		known := o.Value != record.Absent && (o.Outcome == record.Ok || o.Value != 0)
		switch {
		case o.Outcome == record.Info && !known:
			q.unknown = append(q.unknown, o.Start)
		case o.Outcome == record.Ok && !known:
			q.empties = append(q.empties, o)
		case o.Outcome == record.Ok || o.Outcome == record.Info:
			it := q.items[o.Value]
			switch {
			case it == nil && failed[o.Value] != nil:
				return &Violation{Name: "read of a failed write", Witness: witness(failed[o.Value], o),
					Text: fmt.Sprintf("%d came out although its enqueue was refused", o.Value)}
			case it == nil:
				return &Violation{Name: "phantom", Witness: witness(o), Text: fmt.Sprintf("%d came out but never went in", o.Value)}
			case it.out != nil:
				return &Violation{Name: "duplicate", Witness: witness(it.in, it.out, o), Text: fmt.Sprintf("%d came out twice", o.Value)}
			case end(o) < it.in.Start:
				return &Violation{Name: "not linearizable", Witness: witness(it.in, o), Text: fmt.Sprintf("%d came out before it went in", o.Value)}
			}
			it.out = o
		}
	}
	slices.Sort(q.unknown)
	return nil
}

// inEnd is when an item was certainly inside: an enqueue of unknown outcome
// whose value came out had happened by the end of that dequeue.
func (it *item) inEnd() record.Time {
	if it.in.Outcome == record.Info && it.out != nil {
		return end(it.out)
	}
	return end(it.in)
}

// order looks for a that went in before b and did not come out before it.
func (q *queue) order() *Violation {
	var ins []*item // those that came out, by the start of their enqueue
	for _, it := range q.items {
		if it.out != nil {
			ins = append(ins, it)
		}
	}
	slices.SortFunc(ins, func(a, b *item) int {
		return cmp.Or(cmp.Compare(a.in.Start, b.in.Start), cmp.Compare(a.in.Value, b.in.Value))
	})
	soonest := make([]*item, len(ins)) // of ins[i:], the one that came out first
	for i := len(ins) - 1; i >= 0; i-- {
		soonest[i] = ins[i]
		if i+1 < len(ins) && end(soonest[i+1].out) < end(ins[i].out) {
			soonest[i] = soonest[i+1]
		}
	}
	type missing struct {
		it, by *item
	}
	var gone []missing
	for _, it := range q.sorted() {
		if it.out == nil && it.in.Outcome != record.Ok {
			continue
		}
		i, _ := slices.BinarySearchFunc(ins, it.inEnd(), func(x *item, t record.Time) int {
			if x.in.Start <= t {
				return -1
			}
			return 1
		})
		if i == len(ins) {
			continue
		}
		b := soonest[i]
		switch {
		case it.out == nil && end(b.out) == never:
		case it.out == nil:
			gone = append(gone, missing{it, b})
		case end(b.out) < it.out.Start:
			return &Violation{Name: "overtaken", Witness: witness(it.in, b.in, b.out, it.out),
				Text: fmt.Sprintf("%d went in before %d but came out after it", it.in.Value, b.in.Value)}
		}
	}
	slices.SortStableFunc(gone, func(a, b missing) int { return cmp.Compare(end(a.by.out), end(b.by.out)) })
	for i, m := range gone {
		if i >= len(q.unknown) || q.unknown[i] > end(m.by.out) {
			return &Violation{Name: "overtaken", Witness: witness(m.it.in, m.by.in, m.by.out),
				Text: fmt.Sprintf("%d went in before %d, which came out, but never came out itself", m.it.in.Value, m.by.in.Value)}
		}
	}
	return nil
}

// sorted returns the items by when they went in, so that what is reported does
// not depend on the order of a map.
func (q *queue) sorted() []*item {
	all := make([]*item, 0, len(q.items))
	for _, it := range q.items {
		all = append(all, it)
	}
	slices.SortFunc(all, func(a, b *item) int {
		return cmp.Or(cmp.Compare(a.in.Start, b.in.Start), cmp.Compare(a.in.Value, b.in.Value))
	})
	return all
}

// span is a time in which some value was certainly inside, without its ends.
type span struct {
	from, to record.Time
	it       *item
}

// emptiness looks for a dequeue that found nothing although the spans in which
// values were certainly inside cover all of it.
func (q *queue) emptiness() *Violation {
	if len(q.empties) == 0 {
		return nil
	}
	var spans []span
	for _, it := range q.sorted() {
		to := never
		switch {
		case it.out != nil:
			to = it.out.Start
		case len(q.unknown) > 0:
			to = q.unknown[0]
		}
		if from := it.inEnd(); from < to {
			spans = append(spans, span{from, to, it})
		}
	}
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var covers []span // spans that overlap, joined
	for _, s := range spans {
		if n := len(covers); n > 0 && s.from < covers[n-1].to {
			covers[n-1].to = max(covers[n-1].to, s.to)
			continue
		}
		covers = append(covers, s)
	}
	slices.SortStableFunc(q.empties, func(a, b *record.Op) int { return cmp.Compare(a.Start, b.Start) })
	for _, d := range q.empties {
		i, _ := slices.BinarySearchFunc(covers, d.Start, func(c span, t record.Time) int {
			if c.from < t {
				return -1
			}
			return 1
		})
		if i == 0 || covers[i-1].to <= d.End {
			continue
		}
		chain := cover(spans, d)
		ops := []*record.Op{d}
		for _, it := range chain {
			ops = append(ops, it.in, it.out)
		}
		return &Violation{Name: "not empty", Witness: witness(ops...),
			Text: fmt.Sprintf("a dequeue found nothing, but %d was certainly inside%s", chain[0].in.Value, others(len(chain)-1))}
	}
	return nil
}

// cover returns the fewest items whose spans cover all of d: always the one
// that reaches furthest.
func cover(spans []span, d *record.Op) []*item {
	var chain []*item
	for at := d.Start; ; {
		best := -1
		for i := range spans {
			if spans[i].from >= at {
				break
			}
			if spans[i].to > at && (best < 0 || spans[i].to > spans[best].to) {
				best = i
			}
		}
		if best < 0 {
			return chain
		}
		chain = append(chain, spans[best].it)
		if at = spans[best].to; at > d.End {
			return chain
		}
	}
}

func others(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and then %d more, until it ended", n)
}
