package check

import (
	"cmp"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// Ownership measures how long two nodes at once could act as the owner, and
// how long none could, from the first owner on until the faults were healed
// when the load had ended; nil if nobody ever was. It is as fine as the nodes
// were asked: a node that gave the place up unseen counts until it said so, so
// that a gap is at least what is returned.
//
//	a   ███████████╳ died
//	b               ···gap···███████████████
//	b   ██████████████ overlap
func Ownership(log *record.Log) *record.Ownership {
	var able []Belief
	for _, s := range Beliefs(log) {
		if s.Role == OwnerRole && !s.Frozen {
			able = append(able, s)
		}
	}
	if len(able) == 0 {
		return nil
	}
	o := &record.Ownership{Claims: len(able)}
	for _, f := range Owners(log) {
		if f.Name == twoOwners {
			o.Overlap = max(o.Overlap, f.To.Sub(f.From).Seconds())
		}
	}
	end := End(log)
	for i := range log.Events {
		if e := &log.Events[i]; e.Kind == record.EventPhase && e.Name == record.PhaseHeal {
			end = e.At
		}
	}
	slices.SortFunc(able, func(a, b Belief) int { return cmp.Compare(a.From, b.From) })
	held := able[0].To
	for _, s := range append(able[1:], Belief{From: end, To: end}) {
		if s.From > end {
			s.From = end
		}
		o.Gap = max(o.Gap, s.From.Sub(held).Seconds())
		held = max(held, s.To)
	}
	return o
}
