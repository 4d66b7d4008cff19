package check

import (
	"cmp"
	"context"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// store is the kind of thing that was written to; keys of different stores
// never meet.
type store uint8

const (
	setStore      store = iota // Add, ReadSet
	listStore                  // Append, ReadList, alone or inside transactions
	queueStore                 // Enqueue, Dequeue
	registerStore              // Write, CompareAndSet, Read
	jobStore                   // Enqueue and Effect, where effects were read back
)

// entry is one attempted write: 32 bytes, for there are millions.
type entry struct {
	key     uint64
	value   int64
	ack     record.Time
	index   uint32 // of the operation, for its witness
	outcome record.Outcome
	store   store
	seen    uint8 // how often it was read, up to 255
}

// sighting is a value that came out of a queue or a register.
type sighting struct {
	key   uint64
	value int64
	index uint32
	store store
}

// shelf names one set, list, queue or register.
type shelf struct {
	store store
	key   uint64
}

// books collects the writes and the definitive reads of a history, one
// operation at a time, so that a history need not be in memory as a whole.
//
//	Add(op) ... ─▶ entries (writes)      sorted by store, key, value
//	               sightings, reads  ──▶ merged with them ─▶ Ledger
type books struct {
	header    *record.Header
	resolve   func(int) record.Op // the operation of an index, for witnesses
	jobs      bool                // what is enqueued are jobs, and their effects the definitive read
	share     uint64              // keep one in so many elements; 1 keeps all
	entries   []entry
	sightings []sighting
	lastRead  map[shelf]uint32 // definitive read of sets and lists
	readAt    map[shelf]record.Time
	drained   map[uint64]bool
	swallowed map[uint64]int // dequeues of unknown outcome and unknown value
	phantoms  []sighting
	lost      []uint32 // entries
	risen     []uint32
	doubled   []uint32
}

func newBooks(h *record.Header, resolve func(int) record.Op, share uint64) *books {
	return &books{header: h, resolve: resolve, share: max(share, 1),
		lastRead: map[shelf]uint32{}, readAt: map[shelf]record.Time{}, drained: map[uint64]bool{}, swallowed: map[uint64]int{}}
}

// reserve makes room, so that slices need not grow and be copied.
func (b *books) reserve(writes, sightings int) {
	b.entries = slices.Grow(b.entries, writes)
	b.sightings = slices.Grow(b.sightings, sightings)
}

// kept is the sampling that a small memory budget forces: the same elements
// on the write's and on the read's side.
func (b *books) kept(s store, key uint64, value int64) bool {
	if b.share == 1 {
		return true
	}
	if s == registerStore {
		value = 0 // a register's writes are judged together
	}
	return mix(key^mix(uint64(value)))%b.share == 0
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable
// pseudorandom number generators, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Add takes the next operation; index is its place in the history.
func (b *books) Add(index int, o *record.Op) {
	if !judged(b.header, o) {
		return
	}
	i := uint32(index)
	switch o.Function {
	case record.Add:
		b.write(setStore, o.Key, o.Value, i, o)
	case record.Append:
		b.write(listStore, o.Key, o.Value, i, o)
	case record.Enqueue:
		if b.jobs {
			b.write(jobStore, 0, o.Value, i, o)
		} else {
			b.write(queueStore, o.Key, o.Value, i, o)
		}
	case record.Effect:
		if b.jobs && o.Outcome == record.Ok && definitive(b.header, o) && b.kept(jobStore, 0, int64(o.Key)) {
			b.sightings = append(b.sightings, sighting{0, int64(o.Key), i, jobStore})
		}
	case record.Write, record.CompareAndSet:
		b.write(registerStore, o.Key, o.Value, i, o)
	case record.ReadSet:
		b.read(setStore, o.Key, i, o)
	case record.ReadList:
		b.read(listStore, o.Key, i, o)
	case record.Read:
		if o.Outcome == record.Ok && definitive(b.header, o) && b.kept(registerStore, o.Key, 0) {
			b.sightings = append(b.sightings, sighting{o.Key, o.Value, i, registerStore})
		}
	case record.Dequeue:
		b.dequeue(i, o)
	case record.Transaction:
		for j := range o.Micro {
			switch m := &o.Micro[j]; m.Function {
			case record.Append:
				b.write(listStore, m.Key, m.Value, i, o)
			case record.ReadList:
				b.read(listStore, m.Key, i, o)
			}
		}
	}
}

func (b *books) write(s store, key uint64, value int64, index uint32, o *record.Op) {
	if o.Outcome == record.OutcomeUnset || o.Outcome == record.Degraded || !b.kept(s, key, value) {
		return
	}
	b.entries = append(b.entries, entry{key: key, value: value, ack: o.End, index: index, outcome: o.Outcome, store: s})
}

func (b *books) read(s store, key uint64, index uint32, o *record.Op) {
	if o.Outcome != record.Ok || !definitive(b.header, o) {
		return
	}
	at := shelf{s, key}
	if last, ok := b.readAt[at]; !ok || o.End >= last {
		b.lastRead[at], b.readAt[at] = index, o.End
	}
}

func (b *books) dequeue(index uint32, o *record.Op) {
	switch {
	case o.Outcome == record.Ok && o.Value == record.Absent:
		if definitive(b.header, o) {
			b.drained[o.Key] = true
		}
	case o.Outcome == record.Ok, o.Outcome == record.Info && o.Value != record.Absent && o.Value != 0:
		// A message in hand whose acknowledgement is unknown was delivered.
		if b.kept(queueStore, o.Key, o.Value) {
			b.sightings = append(b.sightings, sighting{o.Key, o.Value, index, queueStore})
		}
	case o.Outcome == record.Info:
		b.swallowed[o.Key]++
	}
}

// close balances the books.
func (b *books) close(ctx context.Context) (complete bool, err error) {
	slices.SortFunc(b.entries, compareEntries)
	if err := stopped(ctx); err != nil {
		return false, err
	}
	slices.SortFunc(b.sightings, compareSightings)
	complete = true
	s := 0
	for from := 0; from < len(b.entries); {
		if err := stopped(ctx); err != nil {
			return false, err
		}
		to := from + 1
		for to < len(b.entries) && b.entries[to].store == b.entries[from].store && b.entries[to].key == b.entries[from].key {
			to++
		}
		at := shelf{b.entries[from].store, b.entries[from].key}
		for s < len(b.sightings) && before(b.sightings[s], at) {
			b.phantom(b.sightings[s]) // a key that nobody wrote
			s++
		}
		first := s
		for s < len(b.sightings) && b.sightings[s].store == at.store && b.sightings[s].key == at.key {
			s++
		}
		if !b.settle(from, to, b.sightings[first:s]) {
			complete = false
		}
		from = to
	}
	for ; s < len(b.sightings); s++ {
		b.phantom(b.sightings[s])
	}
	b.strangers()
	return complete && len(b.entries) > 0, nil
}

// The orders are written out: with millions of entries, evaluating every key
// of cmp.Or costs more than the sort.
func compareEntries(x, y entry) int {
	switch {
	case x.store != y.store:
		return cmp.Compare(x.store, y.store)
	case x.key != y.key:
		return cmp.Compare(x.key, y.key)
	case x.value != y.value:
		return cmp.Compare(x.value, y.value)
	}
	return cmp.Compare(x.index, y.index)
}

func compareSightings(x, y sighting) int {
	switch {
	case x.store != y.store:
		return cmp.Compare(x.store, y.store)
	case x.key != y.key:
		return cmp.Compare(x.key, y.key)
	}
	return cmp.Compare(x.index, y.index)
}

func before(s sighting, at shelf) bool {
	return s.store < at.store || s.store == at.store && s.key < at.key
}

// strangers are elements of sets that were read but that nobody wrote to.
func (b *books) strangers() {
	for at, index := range b.lastRead {
		_, written := slices.BinarySearchFunc(b.entries, at, func(e entry, at shelf) int {
			return cmp.Or(cmp.Compare(e.store, at.store), cmp.Compare(e.key, at.key))
		})
		if written {
			continue
		}
		o := b.resolve(int(index))
		for _, v := range valuesOf(&o, at) {
			b.phantoms = append(b.phantoms, sighting{at.key, v, index, at.store})
		}
	}
}

func (b *books) phantom(s sighting) {
	if s.value != record.Absent {
		b.phantoms = append(b.phantoms, s)
	}
}
