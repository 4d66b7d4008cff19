package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// Ordered is the name of the check that what one producer wrote to one
// partition comes out in the order in which it went in.
const Ordered = "ordered"

func init() {
	register(Ordered, "what one process wrote to one queue or list comes out in the order in which it was acknowledged", ordered)
}

// sent is one acknowledged write of a producer: 32 bytes.
type sent struct {
	key     uint64
	value   int64 // and, once matched, the index of its delivery, or -1
	start   record.Time
	process uint32
	index   uint32
}

// delivery is the first time that a value came out. In a list, where it
// stands stands for when.
type delivery struct {
	key        uint64
	value      int64
	start, end record.Time
	index      uint32
}

// orderBook compares the order in which each producer sent to each key with
// that in which it came out. Only first deliveries count, so that a redelivery,
// which at-least-once allows, is no violation.
//
//	sent        1    2    3    4
//	came out    1         3    2     2 began to come out after 3 had: overtaken
type orderBook struct {
	header  *record.Header
	resolve func(int) record.Op
	share   uint64
	sent    []sent
	out     []delivery
	lists   map[uint64]uint32 // the longest read of each list
	longest map[uint64]int
}

func newOrderBook(h *record.Header, resolve func(int) record.Op, share uint64) *orderBook {
	return &orderBook{header: h, resolve: resolve, share: max(share, 1), lists: map[uint64]uint32{}, longest: map[uint64]int{}}
}

// reserve makes room, so that slices need not grow and be copied.
func (b *orderBook) reserve(sent, out int) {
	b.sent, b.out = slices.Grow(b.sent, sent), slices.Grow(b.out, out)
}

// Add takes the next operation.
func (b *orderBook) Add(index int, o *record.Op) {
	if !judged(b.header, o) || b.share > 1 && mix(o.Key)%b.share != 0 {
		return
	}
	switch o.Function {
	case record.Enqueue, record.Append:
		if o.Outcome == record.Ok {
			b.sent = append(b.sent, sent{o.Key, o.Value, o.Start, o.Process, uint32(index)})
		}
	case record.Dequeue:
		if o.Value != record.Absent && (o.Outcome == record.Ok || o.Outcome == record.Info && o.Value != 0) {
			b.out = append(b.out, delivery{o.Key, o.Value, o.Start, o.End, uint32(index)})
		}
	case record.ReadList:
		if o.Outcome == record.Ok && len(o.Values) > b.longest[o.Key] {
			b.lists[o.Key], b.longest[o.Key] = uint32(index), len(o.Values)
		}
	}
}

// close matches what was sent with what came out and counts what was
// overtaken.
func (b *orderBook) close(ctx context.Context, r *Report) error {
	for key, index := range b.lists {
		o := b.resolve(int(index))
		for i, v := range o.Values {
			b.out = append(b.out, delivery{key, v, record.Time(2 * i), record.Time(2*i + 1), index})
		}
	}
	slices.SortFunc(b.out, func(x, y delivery) int {
		switch {
		case x.key != y.key:
			return cmp.Compare(x.key, y.key)
		case x.value != y.value:
			return cmp.Compare(x.value, y.value)
		}
		return cmp.Compare(x.end, y.end)
	})
	if err := stopped(ctx); err != nil {
		return err
	}
	slices.SortFunc(b.sent, func(x, y sent) int {
		if x.key != y.key {
			return cmp.Compare(x.key, y.key)
		}
		return cmp.Compare(x.value, y.value)
	})
	j := 0
	for i := range b.sent {
		s := &b.sent[i]
		for j < len(b.out) && (b.out[j].key < s.key || b.out[j].key == s.key && b.out[j].value < s.value) {
			j++
		}
		if j < len(b.out) && b.out[j].key == s.key && b.out[j].value == s.value {
			s.value = int64(j)
			r.Checked++
		} else {
			s.value = -1
		}
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	slices.SortFunc(b.sent, func(x, y sent) int {
		switch {
		case x.key != y.key:
			return cmp.Compare(x.key, y.key)
		case x.process != y.process:
			return cmp.Compare(x.process, y.process)
		case x.start != y.start:
			return cmp.Compare(x.start, y.start)
		}
		return cmp.Compare(x.index, y.index)
	})
	var soonest *sent // of what was sent later, the one that came out first
	for i := len(b.sent) - 1; i >= 0; i-- {
		s := &b.sent[i]
		if i+1 < len(b.sent) && (b.sent[i+1].key != s.key || b.sent[i+1].process != s.process) {
			soonest = nil
		}
		if s.value < 0 {
			continue
		}
		out := &b.out[s.value]
		if soonest != nil && b.out[soonest.value].end < out.start {
			b.overtaken(r, s, soonest)
		}
		if soonest == nil || out.end < b.out[soonest.value].end {
			soonest = s
		}
	}
	return nil
}

func (b *orderBook) overtaken(r *Report, first, second *sent) {
	if r.full() {
		r.Total++
		return
	}
	in1, in2 := b.resolve(int(first.index)), b.resolve(int(second.index))
	ops := []record.Op{in1, in2, b.resolve(int(b.out[second.value].index))}
	if b.out[first.value].index != b.out[second.value].index {
		ops = append(ops, b.resolve(int(b.out[first.value].index)))
	}
	f := record.Finding{Name: "overtaken", Witness: ops,
		Text: fmt.Sprintf("process %d wrote %d before %d to %d, but it came out after it", in1.Process, in1.Value, in2.Value, in1.Key)}
	f.From, f.To = span(ops)
	r.add(f)
}

func ordered(ctx context.Context, log *record.Log, budget Budget) (Report, error) {
	r := Report{Check: Ordered, Guarantee: "acknowledged writes of one process to one key first came out in the order in which they went in"}
	share := shareFor(len(log.Ops), budget.Memory)
	if share > 1 {
		r.Narrowed = fmt.Sprintf("memory budget: one key in %d", share)
		r.Guarantee += ", for " + r.Narrowed
	}
	b := newOrderBook(&log.Header, func(i int) record.Op { return log.Ops[i] }, share)
	if share == 1 {
		b.reserve(functions(log, record.Enqueue, record.Append), functions(log, record.Dequeue))
	}
	p := poll{ctx: ctx}
	for i := range log.Ops {
		if err := p.stopped(); err != nil {
			return r, err
		}
		b.Add(i, &log.Ops[i])
	}
	return r, b.close(ctx, &r)
}
