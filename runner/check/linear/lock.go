package linear

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// Lock decides whether the operations of one lock (Acquire, Release; others
// are not looked at) are linearizable: whether it was held by one process at a
// time. A hold is a block from its acquire to its release.
//
// A hold that its process never released, or released with unknown outcome, is
// taken to end at any time after its last known operation: locks that matter
// here have leases. An acquire of unknown outcome counts only if its process
// went on to release it.
func Lock(_ context.Context, ops []*record.Op) (*Violation, error) {
	byProcess := slices.Clone(ops)
	slices.SortStableFunc(byProcess, func(a, b *record.Op) int {
		return cmp.Or(cmp.Compare(a.Process, b.Process), cmp.Compare(a.Start, b.Start))
	})
	var blocks []block
	var acquire *record.Op // held, or perhaps held, by the process
	hold := func(release *record.Op) {
		if acquire == nil || release == nil && acquire.Outcome != record.Ok {
			acquire = nil
			return
		}
		b := newBlock()
		b.head = acquire
		b.include(acquire)
		if release != nil {
			b.include(release)
		}
		blocks = append(blocks, b)
		acquire = nil
	}
	for i, o := range byProcess {
		if i > 0 && byProcess[i-1].Process != o.Process {
			hold(nil)
		}
		switch {
		case o.Function == record.Acquire && (o.Outcome == record.Ok || o.Outcome == record.Info):
			hold(nil)
			acquire = o
		case o.Function == record.Release && (o.Outcome == record.Ok || o.Outcome == record.Info):
			if acquire == nil && o.Outcome == record.Ok {
				return &Violation{Name: "release of a lock not held", Witness: witness(o),
					Text: fmt.Sprintf("process %d released a lock that it did not hold", o.Process)}, nil
			}
			if acquire != nil && acquire.Outcome == record.Info && o.Outcome == record.Info {
				acquire = nil // neither may have happened
				continue
			}
			hold(o)
		}
	}
	hold(nil)
	a, b := conflict(blocks)
	if a == nil {
		return nil, nil
	}
	from, to := max(a.first, b.first), min(a.last, b.last)
	return &Violation{Name: "two holders",
		Witness: witness(a.head, a.firstOp, a.lastOp, b.head, b.firstOp, b.lastOp),
		Text: fmt.Sprintf("processes %d and %d both held the lock between %.6f s and %.6f s", a.head.Process, b.head.Process,
			min(from, to).Seconds(), max(from, to).Seconds())}, nil
}
