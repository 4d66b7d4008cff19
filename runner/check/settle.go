package check

import (
	"cmp"
	"math"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// settle judges the writes of one set, list, queue or register and reports
// whether they could be judged: whether a definitive read covers them.
func (b *books) settle(from, to int, seen []sighting) bool {
	group := b.entries[from:to]
	at := shelf{group[0].store, group[0].key}
	var values []int64
	witness := uint32(math.MaxUint32)
	switch at.store {
	case registerStore:
		return b.settleRegister(from, to, seen)
	case queueStore, jobStore:
		values = make([]int64, len(seen))
		for i := range seen {
			values[i] = seen[i].value
			witness = seen[i].index
		}
	default:
		index, ok := b.lastRead[at]
		if !ok {
			return attempted(group) == 0
		}
		o := b.resolve(int(index))
		witness = index
		values = slices.Clone(valuesOf(&o, at))
		if b.share > 1 {
			values = slices.DeleteFunc(values, func(v int64) bool { return !b.kept(at.store, at.key, v) })
		}
	}
	slices.Sort(values)
	b.match(from, to, values, at, witness)
	if at.store == queueStore && !b.drained[at.key] {
		return attempted(group) == 0
	}
	b.missing(from, to, at)
	return true
}

// attempted counts the acknowledged writes: those that a definitive read owes
// an answer for.
func attempted(group []entry) int {
	n := 0
	for i := range group {
		if group[i].outcome == record.Ok {
			n++
		}
	}
	return n
}

// match merges sorted writes with sorted sightings of the same key.
func (b *books) match(from, to int, values []int64, at shelf, witness uint32) {
	e := from
	for i := 0; i < len(values); {
		n := 1
		for i+n < len(values) && values[i+n] == values[i] {
			n++
		}
		for e < to && b.entries[e].value < values[i] {
			e++
		}
		found := false
		for ; e < to && b.entries[e].value == values[i]; e++ {
			found = true
			b.entries[e].seen = uint8(min(n, 255))
		}
		if !found {
			for range n {
				b.phantoms = append(b.phantoms, sighting{at.key, values[i], witness, at.store})
			}
		}
		i += n
	}
}

// missing files every write of a key under what became of it. A message that
// is missing may have left by a dequeue of unknown outcome: as many as there
// were such dequeues are not called lost, the earliest first, as a queue would
// have given them out.
func (b *books) missing(from, to int, at shelf) {
	var lost []uint32
	for i := from; i < to; i++ {
		e := &b.entries[i]
		if e.outcome == record.Ok && e.seen == 0 {
			lost = append(lost, uint32(i))
		}
		b.file(i)
	}
	if excused := b.swallowed[at.key]; at.store == queueStore && excused > 0 {
		slices.SortFunc(lost, func(x, y uint32) int { return cmp.Compare(b.entries[x].ack, b.entries[y].ack) })
		lost = lost[min(excused, len(lost)):]
	}
	b.lost = append(b.lost, lost...)
}

// file notes what is wrong with a write that was read.
func (b *books) file(i int) {
	e := &b.entries[i]
	if e.seen > 1 {
		b.doubled = append(b.doubled, uint32(i))
	}
	if e.seen > 0 && e.outcome == record.Fail {
		b.risen = append(b.risen, uint32(i))
	}
}

// settleRegister judges the writes of one register against its last
// definitive value. An overwritten value is absent by right; lost is an
// acknowledged write that began after the surviving write had been
// acknowledged: the register has gone back to before it.
func (b *books) settleRegister(from, to int, seen []sighting) bool {
	if len(seen) == 0 {
		return attempted(b.entries[from:to]) == 0
	}
	last := seen[len(seen)-1]
	survivor := -1
	for i := from; i < to; i++ {
		if b.entries[i].value == last.value {
			survivor = i
			b.entries[i].seen = 1
			b.file(i)
		}
	}
	if survivor < 0 && last.value != record.Absent {
		b.phantom(last)
	}
	for i := from; i < to; i++ {
		e := &b.entries[i]
		if e.outcome != record.Ok || e.seen > 0 {
			continue
		}
		switch {
		case to-from == 1, survivor < 0:
			b.lost = append(b.lost, uint32(i))
		case b.entries[survivor].outcome == record.Ok && b.resolve(int(e.index)).Start > b.entries[survivor].ack:
			b.lost = append(b.lost, uint32(i))
		default:
			e.seen = 1 // superseded: its effect is behind the survivor
		}
	}
	return true
}

// valuesOf returns what a read of a set or list returned.
func valuesOf(o *record.Op, at shelf) []int64 {
	if o.Function != record.Transaction {
		return o.Values
	}
	var vs []int64
	for i := range o.Micro {
		if m := &o.Micro[i]; m.Function == record.ReadList && m.Key == at.key {
			vs = m.Values
		}
	}
	return vs
}
