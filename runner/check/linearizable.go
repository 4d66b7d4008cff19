package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/check/linear"
	"github.com/hadrill/hadrill/runner/record"
)

// The names of the linearizability checks, one a kind of object. Every key is
// an object of its own: linearizability is local (Herlihy and Wing 1990,
// theorem 1), so a history is linearizable if and only if that of each key is.
const (
	LinearizableRegister = "linearizable-register"
	LinearizableSet      = "linearizable-set"
	LinearizableQueue    = "linearizable-queue"
	LinearizableLock     = "linearizable-lock"
)

type decide func(context.Context, []*record.Op) (*linear.Violation, error)

func init() {
	objects := []struct {
		name, noun string
		decide     decide
		functions  []record.Function
	}{
		{LinearizableRegister, "register", linear.Register, []record.Function{record.Read, record.Write, record.CompareAndSet}},
		{LinearizableSet, "set", linear.Set, []record.Function{record.Add, record.ReadSet}},
		{LinearizableQueue, "queue", linear.Queue, []record.Function{record.Enqueue, record.Dequeue}},
		{LinearizableLock, "lock", linear.Lock, []record.Function{record.Acquire, record.Release}},
	}
	for _, o := range objects {
		register(o.name, fmt.Sprintf("every %s is linearizable", o.noun), linearizable(o.name, o.noun, o.decide, o.functions))
	}
}

// bytesPerLinearOp is what one operation of the object at hand costs while it
// is decided: its pointer, its place in the sorted views, its block.
const bytesPerLinearOp = 128

func linearizable(name, noun string, decide decide, functions []record.Function) func(context.Context, *record.Log, Budget) (Report, error) {
	var reads [256]bool
	for _, f := range functions {
		reads[f] = true
	}
	return func(ctx context.Context, log *record.Log, budget Budget) (Report, error) {
		r := Report{Check: name, Guarantee: "every " + noun + " is linearizable"}
		keys, err := partition(ctx, log, func(o *record.Op) bool { return reads[o.Function] })
		if err != nil {
			return r, err
		}
		memory := budget.orDefault().Memory - 8*int64(len(keys.order))
		skipped, undecided := 0, 0
		var ops []*record.Op
		for i := range keys.len() {
			if err := stopped(ctx); err != nil {
				return r, err
			}
			indexes := keys.at(i)
			if int64(len(indexes))*bytesPerLinearOp > memory {
				skipped++
				continue
			}
			ops = ops[:0]
			for _, j := range indexes {
				ops = append(ops, &log.Ops[j])
			}
			v, err := decide(ctx, ops)
			switch {
			case errors.Is(err, linear.ErrUndecided):
				undecided++
				continue
			case err != nil:
				return r, err
			}
			r.Checked += len(ops)
			if v != nil {
				r.add(finding(v, noun, log.Ops[indexes[0]].Key))
			}
		}
		if skipped+undecided > 0 {
			r.Narrowed = fmt.Sprintf("%d of %d %ss were left out: %d larger than the memory budget, %d with repeated values and too many orders",
				skipped+undecided, keys.len(), noun, skipped, undecided)
			r.Guarantee = fmt.Sprintf("%d of %d %ss are linearizable", keys.len()-skipped-undecided, keys.len(), noun)
			if r.Total == 0 && skipped+undecided == keys.len() {
				return r, fmt.Errorf("%w: %s", ErrBudget, r.Narrowed)
			}
		}
		return r, nil
	}
}

func finding(v *linear.Violation, noun string, key uint64) record.Finding {
	f := record.Finding{Name: v.Name, Text: fmt.Sprintf("%s %d: %s", noun, key, v.Text), Witness: v.Witness}
	f.From, f.To = span(v.Witness)
	return f
}

// span returns the earliest start and the latest end of operations.
func span(ops []record.Op) (from, to record.Time) {
	if len(ops) == 0 {
		return record.Never, record.Never
	}
	from, to = ops[0].Start, ops[0].End
	for i := range ops {
		from, to = min(from, ops[i].Start), max(to, ops[i].End)
	}
	return from, to
}

// byKey is the operations of a log ordered by key, as indexes.
type byKey struct {
	order  []uint32
	starts []uint32
}

func (k *byKey) len() int          { return len(k.starts) - 1 }
func (k *byKey) at(i int) []uint32 { return k.order[k.starts[i]:k.starts[i+1]] }

// partition orders the operations that match by key; within a key they stay in
// the log's order.
func partition(ctx context.Context, log *record.Log, match func(*record.Op) bool) (*byKey, error) {
	k := &byKey{}
	p := poll{ctx: ctx}
	for i := range log.Ops {
		if err := p.stopped(); err != nil {
			return nil, err
		}
		if o := &log.Ops[i]; judged(&log.Header, o) && match(o) {
			k.order = append(k.order, uint32(i))
		}
	}
	slices.SortFunc(k.order, func(a, b uint32) int {
		if x, y := log.Ops[a].Key, log.Ops[b].Key; x != y {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(a, b)
	})
	for i, j := range k.order {
		if i == 0 || log.Ops[j].Key != log.Ops[k.order[i-1]].Key {
			k.starts = append(k.starts, uint32(i))
		}
	}
	k.starts = append(k.starts, uint32(len(k.order)))
	return k, nil
}
