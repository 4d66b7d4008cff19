package cycle

import (
	"math"

	"github.com/hadrill/hadrill/runner/record"
)

// History collects transactions one at a time. Standalone operations on lists
// and registers count as transactions of one step.
//
// It keeps no operation: only, for each transaction 24 bytes, and for each
// write and external read 16.
type History struct {
	resolve func(int) record.Op
	share   uint64
	txns    []txn
	writes  []access // value is the element or the register's value
	reads   []access // value is the length of the list read, or the register's value
	objects []object
	ids     map[name]uint32
	found   *findings
	single  [1]record.Micro
}

type txn struct {
	start, end record.Time
	index      uint32
	process    uint32
	outcome    record.Outcome
	seen       bool // of unknown outcome, but something of it was read: it committed
}

// committed reports whether a transaction is known to have committed.
func (t *txn) committed() bool { return t.outcome == record.Ok || t.outcome == record.Info && t.seen }

type name struct {
	list bool
	key  uint64
}

// object is one list or register.
type object struct {
	name
	longest   []int64 // lists: the longest read
	longestBy uint32
	broken    bool // its reads or its values do not define an order
}

// access is a write or read of an object by a transaction. The top bit of the
// object's number flags, for a write, that the same transaction wrote the
// object again later, and for a read, that the same transaction wrote the
// object too.
type access struct {
	value  int64
	txn    uint32
	object uint32
}

const mark = 1 << 31

func (a access) id() uint32    { return a.object &^ mark }
func (a access) flagged() bool { return a.object&mark != 0 }

// NewHistory returns an empty history. resolve returns the operation of an
// index again, for witnesses.
func NewHistory(share uint64, resolve func(int) record.Op) *History {
	return &History{resolve: resolve, share: max(share, 1), ids: map[name]uint32{}, found: newFindings()}
}

// Add takes the next operation; those that are no transactions are ignored.
// The slices of values it refers to must not change until Check returns.
func (h *History) Add(index int, o *record.Op) {
	micro := o.Micro
	switch o.Function {
	case record.Transaction:
	case record.Append, record.ReadList, record.Read, record.Write:
		h.single[0] = record.Micro{Function: o.Function, Key: o.Key, Value: o.Value, Values: o.Values}
		micro = h.single[:]
	default:
		return
	}
	if o.Outcome != record.Ok && o.Outcome != record.Info && o.Outcome != record.Fail {
		return
	}
	t := uint32(len(h.txns))
	h.txns = append(h.txns, txn{start: o.Start, end: o.End, index: uint32(index), process: o.Process, outcome: o.Outcome})
	for i := range micro {
		m := &micro[i]
		switch m.Function {
		case record.Append, record.Write:
			if id, ok := h.object(m); ok {
				if wroteLater(micro, i) {
					id |= mark
				}
				h.writes = append(h.writes, access{m.Value, t, id})
			}
		case record.ReadList, record.Read:
			if o.Outcome == record.Ok {
				h.read(t, micro, i)
			}
		}
	}
}

func (h *History) object(m *record.Micro) (uint32, bool) {
	n := name{list: m.Function == record.Append || m.Function == record.ReadList, key: m.Key}
	if h.share > 1 && (m.Key*0x9e3779b97f4a7c15>>32)%h.share != 0 {
		return 0, false
	}
	id, ok := h.ids[n]
	if !ok {
		id = uint32(len(h.objects))
		h.ids[n] = id
		h.objects = append(h.objects, object{name: n})
	}
	return id, true
}

func writes(f record.Function) bool { return f == record.Append || f == record.Write }

// same reports whether two steps are about one object.
func same(a, b *record.Micro) bool {
	list := func(m *record.Micro) bool { return m.Function == record.Append || m.Function == record.ReadList }
	return a.Key == b.Key && list(a) == list(b)
}

func wroteLater(micro []record.Micro, i int) bool {
	for j := i + 1; j < len(micro); j++ {
		if writes(micro[j].Function) && same(&micro[j], &micro[i]) {
			return true
		}
	}
	return false
}

// read checks a read against its own transaction and files it if it is
// external: if it shows what others wrote.
func (h *History) read(t uint32, micro []record.Micro, i int) {
	m := &micro[i]
	id, ok := h.object(m)
	if !ok {
		return
	}
	own, earlier := 0, -1 // writes of the object since the last read of it, and that read
	for j := i - 1; j >= 0; j-- {
		if !same(&micro[j], m) {
			continue
		}
		if !writes(micro[j].Function) {
			earlier = j
			break
		}
		own++
	}
	if contradicts(micro, i, earlier, own) {
		h.found.internal(h, t, m)
		return
	}
	length := m.Value
	if h.objects[id].list {
		if !h.extend(id, t, m.Values) {
			return
		}
		length = int64(len(m.Values))
	}
	if own > 0 || earlier >= 0 {
		return
	}
	if wroteLater(micro, i) {
		id |= mark
	}
	h.reads = append(h.reads, access{length, t, id})
}

// contradicts reports whether a read differs from what its own transaction
// read and wrote before it.
func contradicts(micro []record.Micro, i, earlier, own int) bool {
	m := &micro[i]
	if own == 0 && earlier < 0 {
		return false
	}
	if m.Function == record.Read {
		for j := i - 1; j >= 0; j-- {
			if same(&micro[j], m) {
				return micro[j].Value != m.Value
			}
		}
	}
	got := m.Values
	if len(got) < own {
		return true
	}
	base, tail := got[:len(got)-own], got[len(got)-own:]
	for j, k := i-1, own-1; k >= 0; j-- {
		if same(&micro[j], m) {
			if tail[k] != micro[j].Value {
				return true
			}
			k--
		}
	}
	return earlier >= 0 && !equal(base, micro[earlier].Values)
}

func equal(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// extend compares a read of a list with the longest one: one must be the
// beginning of the other.
func (h *History) extend(id, t uint32, values []int64) bool {
	o := &h.objects[id]
	n := min(len(values), len(o.longest))
	if !equal(values[:n], o.longest[:n]) {
		h.found.incompatible(h, o, t)
		o.broken = true
		return false
	}
	if len(values) > len(o.longest) {
		o.longest, o.longestBy = values, t
	}
	return true
}

// group orders accesses by object and returns where each object's begin.
func group(all []access, objects int) ([]access, []uint32) {
	starts := make([]uint32, objects+1)
	for i := range all {
		starts[all[i].id()+1]++
	}
	for i := 1; i <= objects; i++ {
		starts[i] += starts[i-1]
	}
	next := make([]uint32, objects)
	copy(next, starts)
	out := make([]access, len(all))
	for i := range all {
		id := all[i].id()
		out[next[id]] = all[i]
		next[id]++
	}
	return out, starts
}

// nobody is the writer of a version that no transaction wrote.
const nobody = math.MaxUint32
