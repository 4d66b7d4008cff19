package cycle

import (
	"cmp"
	"context"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// tailCap bounds the anti-dependencies to writes of which it is only known
// that they came last: each is true, a few suffice.
const tailCap = 8

// initial is the version of an object before any write.
const initial = -1

// versions is what the reads say about who wrote what, object by object.
type versions struct {
	h           *History
	writes      []access // by object, then value
	writeStarts []uint32
	observed    []bool // of writes: some read shows it
	reads       []access
	readStarts  []uint32
	order       []uint32 // lists: the writer of each position of the longest read
	orderStarts []uint32
}

// resolve finds the writer of everything that was read and reports what needs
// no graph.
func (h *History) versions(ctx context.Context) (*versions, error) {
	v := &versions{h: h}
	v.writes, v.writeStarts = group(h.writes, len(h.objects))
	h.writes = nil
	v.reads, v.readStarts = group(h.reads, len(h.objects))
	h.reads = nil
	v.observed = make([]bool, len(v.writes))
	total := 0
	for i := range h.objects {
		total += len(h.objects[i].longest)
	}
	v.order = make([]uint32, 0, total)
	v.orderStarts = make([]uint32, len(h.objects)+1)
	for id := range h.objects {
		if id&0xfff == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		ws := v.writes[v.writeStarts[id]:v.writeStarts[id+1]]
		byValue := func(a, b access) int {
			return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(h.rank(a.txn), h.rank(b.txn)))
		}
		if !slices.IsSortedFunc(ws, byValue) {
			slices.SortFunc(ws, byValue)
		}
		if h.repeats(ws) {
			h.objects[id].broken = true
			h.found.ambiguous++
		}
		if h.objects[id].list {
			v.list(uint32(id))
		} else {
			v.register(uint32(id))
		}
		v.orderStarts[id+1] = uint32(len(v.order))
	}
	return v, nil
}

// rank puts writes that were refused behind others of the same value.
func (h *History) rank(t uint32) int {
	if h.txns[t].outcome == record.Fail {
		return 1
	}
	return 0
}

// repeats reports whether a value was written twice by transactions that may
// both have committed: then nobody knows who was read.
func (h *History) repeats(ws []access) bool {
	for i := 1; i < len(ws); i++ {
		if ws[i].value == ws[i-1].value && h.rank(ws[i].txn) == 0 {
			return true
		}
	}
	return false
}

// find returns the index of the write of a value, or -1. The hint is where a
// writer of consecutive values would be.
func (v *versions) find(id uint32, value int64, hint int) int {
	lo, hi := int(v.writeStarts[id]), int(v.writeStarts[id+1])
	if hint >= lo && hint < hi && v.writes[hint].value == value && (hint == lo || v.writes[hint-1].value != value) {
		return hint
	}
	i, ok := slices.BinarySearchFunc(v.writes[lo:hi], value, func(a access, x int64) int { return cmp.Compare(a.value, x) })
	if !ok {
		return -1
	}
	return lo + i
}

func (v *versions) list(id uint32) {
	h, o := v.h, &v.h.objects[id]
	hint := -1
	var aborted []int // positions
	for pos, value := range o.longest {
		i := v.find(id, value, hint)
		hint = i + 1
		if i < 0 {
			h.found.phantom(h, o, o.longestBy, value)
			v.order = append(v.order, nobody)
			continue
		}
		w := v.writes[i]
		if v.observed[i] {
			h.found.duplicate(h, o, o.longestBy, value)
			o.broken = true
		}
		v.observed[i] = true
		if h.txns[w.txn].outcome == record.Fail {
			aborted = append(aborted, pos)
		}
		h.txns[w.txn].seen = true
		v.order = append(v.order, w.txn)
	}
	writers := v.order[len(v.order)-len(o.longest):]
	reads := v.reads[v.readStarts[id]:v.readStarts[id+1]]
	for _, pos := range aborted {
		reader := o.longestBy
		for _, r := range reads { // the shortest read that shows it says it best
			if r.value > int64(pos) && r.value <= int64(len(o.longest)) {
				reader = r.txn
				break
			}
		}
		h.found.aborted(h, o, writers[pos], reader, o.longest[pos])
	}
	var updaters map[int64]uint32 // by the version they read
	for _, r := range reads {
		if r.flagged() {
			if updaters == nil {
				updaters = map[int64]uint32{}
			}
			if other, twice := updaters[r.value]; twice && other != r.txn {
				h.found.lostUpdate(h, o, other, r.txn)
			} else {
				updaters[r.value] = r.txn
			}
		}
		if r.value == 0 || r.value > int64(len(writers)) {
			continue
		}
		w := writers[r.value-1]
		if w == nobody || w == r.txn || h.txns[w].outcome == record.Fail {
			continue
		}
		if i := v.find(id, o.longest[r.value-1], -1); v.writes[i].flagged() {
			h.found.intermediate(h, o, w, r.txn, o.longest[r.value-1])
		}
	}
}

// register resolves reads of a register: their value becomes the index of the
// write that they saw.
func (v *versions) register(id uint32) {
	h, o := v.h, &v.h.objects[id]
	reads := v.reads[v.readStarts[id]:v.readStarts[id+1]]
	updaters := map[int64]uint32{}
	for i := range reads {
		r := &reads[i]
		switch r.value {
		case record.Absent:
			r.value = initial
		default:
			w := v.find(id, r.value, -1)
			if w < 0 {
				h.found.phantom(h, o, r.txn, r.value)
				r.value = initial
				o.broken = true
				continue
			}
			a := v.writes[w]
			switch {
			case h.txns[a.txn].outcome == record.Fail:
				h.found.aborted(h, o, a.txn, r.txn, r.value)
			case a.flagged() && a.txn != r.txn:
				h.found.intermediate(h, o, a.txn, r.txn, r.value)
			}
			v.observed[w] = true
			h.txns[a.txn].seen = true
			r.value = int64(w)
		}
		if !r.flagged() {
			continue
		}
		if other, twice := updaters[r.value]; twice && other != r.txn {
			h.found.lostUpdate(h, o, other, r.txn)
		} else {
			updaters[r.value] = r.txn
		}
	}
	slices.SortFunc(reads, func(a, b access) int { return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.txn, b.txn)) })
}

// edges emits every dependency that the objects show. It emits the same ones
// in the same order each time.
func (v *versions) edges(emit func(from, to uint32, k Kind)) {
	send := func(from, to uint32, k Kind) {
		if from != to && from != nobody && to != nobody && v.h.txns[from].committed() && v.h.txns[to].committed() {
			emit(from, to, k)
		}
	}
	for id := range v.h.objects {
		switch o := &v.h.objects[id]; {
		case o.broken:
		case o.list:
			v.listEdges(id, send)
		default:
			v.registerEdges(id, send)
		}
	}
}

func (v *versions) listEdges(id int, send func(from, to uint32, k Kind)) {
	writers := v.order[v.orderStarts[id]:v.orderStarts[id+1]]
	for i := 1; i < len(writers); i++ {
		send(writers[i-1], writers[i], WW)
	}
	// What was committed but is in no read came after the longest one.
	var tail [tailCap]uint32
	n := 0
	for i := v.writeStarts[id]; i < v.writeStarts[id+1] && n < tailCap; i++ {
		if !v.observed[i] && v.h.txns[v.writes[i].txn].outcome == record.Ok {
			tail[n] = v.writes[i].txn
			n++
		}
	}
	if last := len(writers); last > 0 {
		for _, u := range tail[:n] {
			send(writers[last-1], u, WW)
		}
	}
	for _, r := range v.reads[v.readStarts[id]:v.readStarts[id+1]] {
		if r.value > 0 {
			send(writers[r.value-1], r.txn, WR)
		}
		if r.value < int64(len(writers)) {
			send(r.txn, writers[r.value], RW)
			continue
		}
		for _, u := range tail[:n] {
			send(r.txn, u, RW)
		}
	}
}

// registerEdges knows less: the order of two versions is certain only where
// the writer of one had read the other, and all come after the initial one.
func (v *versions) registerEdges(id int, send func(from, to uint32, k Kind)) {
	reads := v.reads[v.readStarts[id]:v.readStarts[id+1]]
	for from := 0; from < len(reads); {
		to := from + 1
		for to < len(reads) && reads[to].value == reads[from].value {
			to++
		}
		version := reads[from:to:to]
		from = to
		var next [2 * tailCap]uint32
		n := 0
		for _, r := range version {
			if r.flagged() && n < tailCap {
				next[n] = r.txn
				n++
			}
		}
		writer := uint32(nobody)
		if version[0].value == initial {
			for i := v.writeStarts[id]; i < v.writeStarts[id+1] && n < len(next); i++ {
				next[n] = v.writes[i].txn
				n++
			}
		} else {
			writer = v.writes[version[0].value].txn
			for _, s := range next[:n] {
				send(writer, s, WW)
			}
		}
		for _, r := range version {
			send(writer, r.txn, WR)
			for _, s := range next[:n] {
				send(r.txn, s, RW)
			}
		}
	}
}
