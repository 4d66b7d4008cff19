// Package linear decides linearizability (Herlihy and Wing, "Linearizability:
// a correctness condition for concurrent objects", TOPLAS 1990) of one
// register, set, queue or lock at a time.
//
// The general problem is NP-complete, and a search over all orders is at its
// worst exactly where this toolkit works: after a failover there are dozens of
// operations whose outcome nobody knows, each of which may have happened at
// any time since, or never. So there is no search here where the workloads
// make it needless. They write unique values; then who read from whom is
// known, and each object has an exact test in O(n log n):
//
//	register, cas  Gibbons and Korach, "Testing shared memories",
//	               SIAM J. Comput. 26(4), 1997: blocks and their zones
//	lock           the same, a hold being a block
//	set            reads of a growing set form a chain by inclusion
//	queue          Henzinger, Sezgin and Vafeiadis, "Aspect-oriented
//	               linearizability proofs", CONCUR 2013: four patterns
//
// An operation of unknown outcome costs nothing: if its value was seen it took
// effect by then, and if not, leaving it out loses no order. The answer is
// definite for any number of them. Only registers whose values repeat need a
// search ([Register] falls back to it), and that one is bounded.
//
// Intervals are closed: an operation that starts at the very instant at which
// another ends is concurrent with it.
package linear

import (
	"errors"
	"math"

	"github.com/hadrill/hadrill/runner/record"
)

// never is the end of an operation that was never seen to end.
const never = record.Time(math.MaxInt64)

// Violation is the proof that a history is not linearizable: the few
// operations of it that suffice.
type Violation struct {
	Name    string
	Text    string
	Witness []record.Op
}

// ErrUndecided is returned by a search that was not finished within its
// bounds.
var ErrUndecided = errors.New("linearizability undecided within bounds")

// end is when an operation had certainly taken effect.
func end(o *record.Op) record.Time {
	if o.Outcome == record.Info {
		return never
	}
	return o.End
}

// witness copies operations, each once, in the order given.
func witness(ops ...*record.Op) []record.Op {
	var out []record.Op
	seen := map[*record.Op]bool{}
	for _, o := range ops {
		if o != nil && !seen[o] {
			seen[o] = true
			out = append(out, *o)
		}
	}
	return out
}

// either joins two attempts to write one value: it may have come from either,
// so only the widest span is certain.
func either(a, b *record.Op) *record.Op {
	joined := *a
	joined.Start = min(a.Start, b.Start)
	if b.Outcome == record.Ok && (a.Outcome != record.Ok || b.End > a.End) {
		joined.Outcome, joined.End = record.Ok, b.End
	}
	return &joined
}
