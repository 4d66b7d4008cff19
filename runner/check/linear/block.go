package linear

import (
	"cmp"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// block is a set of operations that must be adjacent in any linear order: a
// write with all reads of its value, a chain of compare-and-sets, one hold of
// a lock. Blocks are ordered as wholes, and all that matters is
//
//	first = the earliest end, last = the latest start of its operations:
//
//	A must precede B   iff   A.first < B.last
//
//	forward zone   ├──┤  ...  ├──┤      first < last: it covers that span
//	                  first   last
//	backward zone  ├──────┼──┼───┤      last <= first: all overlap there
//	                     last first
//
// If every block must precede another in a cycle, two of them do so mutually
// (take the one with the latest last: all others of the cycle precede it, and
// it precedes its successor). Mutual precedence is two forward zones that
// overlap, or a backward zone inside a forward one.
type block struct {
	first, last     record.Time
	firstOp, lastOp *record.Op // nil for the virtual write of the initial value
	head            *record.Op // the write, for the witness; may be nil
}

func (b *block) include(o *record.Op) {
	if e := end(o); b.firstOp == nil && b.first == never || e < b.first {
		b.first, b.firstOp = e, o
	}
	if o.Start > b.last {
		b.last, b.lastOp = o.Start, o
	}
}

// newBlock returns a block without operations.
func newBlock() block { return block{first: never, last: record.Never} }

// initialBlock returns the block of the initial value, written before time.
func initialBlock() block { return block{first: record.Never, last: record.Never} }

// conflict returns two blocks each of which must precede the other.
func conflict(blocks []block) (a, b *block) {
	var forward, backward []*block
	for i := range blocks {
		switch b := &blocks[i]; {
		case b.last == record.Never: // only the initial value, never read
		case b.first < b.last:
			forward = append(forward, b)
		default:
			backward = append(backward, b)
		}
	}
	slices.SortFunc(forward, func(x, y *block) int {
		return cmp.Or(cmp.Compare(x.first, y.first), cmp.Compare(x.last, y.last))
	})
	for i := 1; i < len(forward); i++ {
		if forward[i].first < forward[i-1].last && forward[i-1].first < forward[i].last {
			return forward[i-1], forward[i]
		}
	}
	for _, b := range backward {
		i, _ := slices.BinarySearchFunc(forward, b.last, func(f *block, t record.Time) int {
			if f.first < t {
				return -1
			}
			return 1
		})
		if i > 0 && b.first < forward[i-1].last {
			return forward[i-1], b
		}
	}
	return nil, nil
}
