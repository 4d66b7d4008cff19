package linear

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// Register decides whether the operations of one register (Read, Write,
// CompareAndSet; others are not looked at) are linearizable. The register
// begins as record.Absent. It returns nil when they are, and ErrUndecided only
// when values repeat and the bounded search was not enough.
func Register(ctx context.Context, ops []*record.Op) (*Violation, error) {
	r := register{}
	if !r.collect(ops) {
		return search(ctx, ops)
	}
	if v := r.link(); v != nil {
		return v, nil
	}
	return r.order(), nil
}

// version is one value that the register held.
type version struct {
	value  int64
	write  *record.Op   // nil for the initial value
	reads  []*record.Op // seen by
	next   int          // the version that a compare-and-set made of this one, or -1
	root   bool         // not made by a compare-and-set
	placed bool
}

type register struct {
	versions []version // sorted by value
	failed   []*record.Op
	stranger *record.Op // the first read of a value that no write wrote
}

// collect builds the versions; false means that the values are not unique.
func (r *register) collect(ops []*record.Op) bool {
	var reads, writes []*record.Op
	for _, o := range ops {
		switch o.Function {
		case record.Read:
			if o.Outcome == record.Ok {
				reads = append(reads, o)
			}
		case record.Write, record.CompareAndSet:
			switch o.Outcome {
			case record.Ok, record.Info:
				writes = append(writes, o)
			case record.Fail:
				r.failed = append(r.failed, o)
			}
		}
	}
	slices.SortFunc(reads, func(a, b *record.Op) int { return cmp.Compare(a.Value, b.Value) })
	observed := make([]int64, 0, len(reads))
	for _, o := range reads {
		observed = append(observed, o.Value)
	}
	for _, o := range writes {
		if o.Function == record.CompareAndSet {
			observed = append(observed, o.Expect)
		}
	}
	slices.Sort(observed)
	slices.SortStableFunc(writes, func(a, b *record.Op) int { return cmp.Compare(a.Value, b.Value) })
	r.versions = append(r.versions, version{value: record.Absent, next: -1, root: true})
	for i, o := range writes {
		_, seen := slices.BinarySearch(observed, o.Value)
		if !seen && o.Outcome == record.Info {
			continue // never seen: it may never have happened, and takes no order with it
		}
		if o.Value == record.Absent {
			return false
		}
		twice := i > 0 && writes[i-1].Value == o.Value || i+1 < len(writes) && writes[i+1].Value == o.Value
		if twice && seen {
			return false
		}
		r.versions = append(r.versions, version{value: o.Value, write: o, next: -1, root: o.Function == record.Write})
	}
	for _, o := range reads {
		if v := r.find(o.Value); v >= 0 {
			r.versions[v].reads = append(r.versions[v].reads, o)
			continue
		}
		if r.stranger == nil || o.Start < r.stranger.Start {
			r.stranger = o
		}
	}
	return true
}

func (r *register) find(value int64) int {
	i, ok := slices.BinarySearchFunc(r.versions, value, func(v version, x int64) int { return cmp.Compare(v.value, x) })
	if !ok {
		return -1
	}
	return i
}

// link reports reads of what was never written and joins versions by
// compare-and-set into chains.
func (r *register) link() *Violation {
	if v := unwritten(r.stranger, r.failed); v != nil {
		return v
	}
	for i := range r.versions {
		o := r.versions[i].write
		if o == nil || o.Function != record.CompareAndSet {
			continue
		}
		from := r.find(o.Expect)
		if from < 0 {
			return &Violation{Name: "phantom", Witness: witness(o),
				Text: fmt.Sprintf("a compare-and-set replaced %d, which was never written", o.Expect)}
		}
		if other := r.versions[from].next; other >= 0 {
			return &Violation{Name: "two successors", Witness: witness(r.versions[from].write, r.versions[other].write, o),
				Text: fmt.Sprintf("two compare-and-sets both replaced %s, which was written once", text(o.Expect))}
		}
		r.versions[from].next = i
	}
	return nil
}

// unwritten reports a read of a value that no write wrote.
func unwritten(o *record.Op, failed []*record.Op) *Violation {
	if o == nil {
		return nil
	}
	for _, f := range failed {
		if f.Value == o.Value {
			return &Violation{Name: "read of a failed write", Witness: witness(f, o),
				Text: fmt.Sprintf("%d was read although its write was refused", o.Value)}
		}
	}
	return &Violation{Name: "phantom", Witness: witness(o), Text: fmt.Sprintf("%d was read but never written", o.Value)}
}

// order walks each chain in its only possible order, checks it against time,
// and then compares the chains as blocks.
func (r *register) order() *Violation {
	var blocks []block
	for i := range r.versions {
		if !r.versions[i].root {
			continue
		}
		b, v := r.walk(i)
		if v != nil {
			return v
		}
		blocks = append(blocks, b)
	}
	for i := range r.versions {
		if !r.versions[i].placed {
			return r.ring(i)
		}
	}
	a, b := conflict(blocks)
	if a == nil {
		return nil
	}
	return &Violation{
		Name: "not linearizable",
		Text: fmt.Sprintf("%s and %s must each come before the other: %s, but %s", name(a), name(b), sooner(a, b), sooner(b, a)),
		// The writes, and the operations that fix the order both ways.
		Witness: witness(a.head, a.firstOp, b.lastOp, b.head, b.firstOp, a.lastOp),
	}
}

func (r *register) walk(i int) (block, *Violation) {
	b := newBlock()
	if r.versions[i].write == nil {
		b = initialBlock()
	}
	b.head = r.versions[i].write
	var latest *record.Op // the latest start among what must come before
	for ; i >= 0; i = r.versions[i].next {
		v := &r.versions[i]
		v.placed = true
		if v.write != nil {
			if latest != nil && end(v.write) < latest.Start {
				return b, backwards(v.write, latest)
			}
			b.include(v.write)
			latest = later(latest, v.write)
		}
		before := latest
		for _, o := range v.reads {
			if before != nil && o.End < before.Start {
				return b, backwards(o, before, v.write)
			}
			b.include(o)
			latest = later(latest, o)
		}
	}
	return b, nil
}

// ring reports compare-and-sets that make each other's expected value.
func (r *register) ring(i int) *Violation {
	var ops []*record.Op
	for j := i; len(ops) <= len(r.versions); j = r.versions[j].next {
		ops = append(ops, r.versions[j].write)
		if r.versions[j].next == i || r.versions[j].next < 0 {
			break
		}
	}
	return &Violation{Name: "two successors", Text: "compare-and-sets each expect what the other one wrote", Witness: witness(ops...)}
}

func later(a, b *record.Op) *record.Op {
	if a == nil || b.Start > a.Start {
		return b
	}
	return a
}

func backwards(o *record.Op, before ...*record.Op) *Violation {
	return &Violation{Name: "not linearizable", Witness: witness(append([]*record.Op{o}, before...)...),
		Text: fmt.Sprintf("%s of %s ended before the %s that must come before it had begun", o.Function, text(o.Value), before[0].Function)}
}

func name(b *block) string {
	if b.head == nil {
		return "the initial value"
	}
	return fmt.Sprintf("value %d", b.head.Value)
}

func sooner(a, b *block) string {
	if a.firstOp == nil {
		return fmt.Sprintf("%s was there from the beginning", name(a))
	}
	return fmt.Sprintf("%s of %s ended at %.6f s, before %s of %s began at %.6f s",
		a.firstOp.Function, text(a.firstOp.Value), a.first.Seconds(), b.lastOp.Function, text(b.lastOp.Value), b.last.Seconds())
}

func text(v int64) string {
	if v == record.Absent {
		return "nothing"
	}
	return fmt.Sprint(v)
}
