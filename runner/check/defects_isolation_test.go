package check_test

import (
	"math/rand/v2"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

// Two objects that the simulated histories do not use.
const x, y = 101, 102

func push(key uint64, v int64) record.Micro {
	return record.Micro{Function: record.Append, Key: key, Value: v}
}

func list(key uint64, vs ...int64) record.Micro {
	return record.Micro{Function: record.ReadList, Key: key, Values: vs}
}

func put(key uint64, v int64) record.Micro {
	return record.Micro{Function: record.Write, Key: key, Value: v}
}

func get(key uint64, v int64) record.Micro {
	return record.Micro{Function: record.Read, Key: key, Value: v}
}

type txn []record.Micro

// together adds concurrent transactions of processes of their own to the end
// of a history, in random order.
func together(ts ...txn) func(*rand.Rand, *record.Log) bool {
	return func(r *rand.Rand, log *record.Log) bool {
		at := log.Ops[len(log.Ops)-1].Intended + 1e5
		r.Shuffle(len(ts), func(i, j int) { ts[i], ts[j] = ts[j], ts[i] })
		for i, t := range ts {
			insert(log, record.Op{Start: at + record.Time(i), End: at + 1000 + record.Time(r.IntN(500)), Process: uint32(50 + i),
				Function: record.Transaction, Micro: t, Outcome: record.Ok})
		}
		return true
	}
}

// inTurn adds transactions one after the other, of one process or of several.
func inTurn(oneProcess bool, ts ...txn) func(*rand.Rand, *record.Log) bool {
	return func(_ *rand.Rand, log *record.Log) bool {
		at := log.Ops[len(log.Ops)-1].Intended + 1e5
		for i, t := range ts {
			p := uint32(50)
			if !oneProcess {
				p += uint32(i)
			}
			insert(log, record.Op{Start: at + record.Time(100*i), End: at + record.Time(100*i+50), Process: p,
				Function: record.Transaction, Micro: t, Outcome: record.Ok})
		}
		return true
	}
}

// refused makes a transaction one that was refused, though what it wrote is
// read.
func refused(r *rand.Rand, log *record.Log) bool {
	read := map[int64]bool{}
	for i := range log.Ops {
		if log.Ops[i].Outcome != record.Ok {
			continue
		}
		for _, m := range log.Ops[i].Micro {
			if m.Function == record.Read {
				read[m.Value] = true
			}
			for _, v := range m.Values {
				read[v] = true
			}
		}
	}
	o := one(r, log, func(o *record.Op) bool {
		own := map[int64]bool{}
		for _, m := range o.Micro {
			if m.Function == record.Write || m.Function == record.Append {
				own[m.Value] = true
			}
		}
		for v := range own {
			if !read[v] {
				continue
			}
			for i := range log.Ops {
				p := &log.Ops[i]
				if p == o || p.Outcome != record.Ok {
					continue
				}
				for _, m := range p.Micro {
					if m.Function == record.Read && m.Value == v {
						return true
					}
					for _, got := range m.Values {
						if got == v {
							return true
						}
					}
				}
			}
		}
		return false
	})
	if o == nil {
		return false
	}
	o.Outcome = record.Fail
	return true
}

// inLongest changes the longest read of some list.
func inLongest(change func(r *rand.Rand, vs []int64) []int64) func(*rand.Rand, *record.Log) bool {
	return func(r *rand.Rand, log *record.Log) bool {
		length := map[uint64]int{}
		for i := range log.Ops {
			for _, m := range log.Ops[i].Micro {
				if log.Ops[i].Outcome == record.Ok {
					length[m.Key] = max(length[m.Key], len(m.Values))
				}
			}
		}
		var longest *record.Micro
		for i := range log.Ops {
			if o := &log.Ops[i]; o.Outcome == record.Ok && len(o.Micro) == 1 && len(o.Micro[0].Values) == length[o.Micro[0].Key] {
				longest = &o.Micro[0]
			}
		}
		if longest == nil || len(longest.Values) < 3 {
			return false
		}
		longest.Values = change(r, longest.Values)
		return true
	}
}

var listDefects = []defect{
	{"two transactions append to two lists in opposite orders", check.ReadUncommitted, "G0",
		together(txn{push(x, 1), push(y, 1)}, txn{push(x, 2), push(y, 2)}, txn{list(x, 1, 2), list(y, 2, 1)})},
	{"two reads that disagree on the order", check.ReadUncommitted, "incompatible order",
		together(txn{push(x, 1)}, txn{push(x, 2)}, txn{list(x, 1, 2)}, txn{list(x, 2, 1)})},
	{"an element twice in a list", check.ReadUncommitted, "duplicate elements", inLongest(func(_ *rand.Rand, vs []int64) []int64 {
		return append(vs, vs[0])
	})},
	{"an element that nobody appended", check.ReadUncommitted, "phantom", inLongest(func(_ *rand.Rand, vs []int64) []int64 {
		return append(vs, 1<<50)
	})},
	{"elements swapped in a read", check.ReadUncommitted, "incompatible order", func(r *rand.Rand, log *record.Log) bool {
		// In a read that is not the longest: others show the true order.
		var reads []*record.Micro
		length := map[uint64]int{}
		for i := range log.Ops {
			for j := range log.Ops[i].Micro {
				if m := &log.Ops[i].Micro[j]; log.Ops[i].Outcome == record.Ok && m.Function == record.ReadList && len(log.Ops[i].Micro) == 1 {
					reads = append(reads, m)
					length[m.Key] = max(length[m.Key], len(m.Values))
				}
			}
		}
		for _, m := range reads {
			if len(m.Values) >= 2 && len(m.Values) < length[m.Key] {
				m.Values[0], m.Values[1] = m.Values[1], m.Values[0]
				return true
			}
		}
		return false
	}},
	{"a read of an aborted transaction's append", check.ReadCommitted, "G1a", refused},
	{"a read of an intermediate state", check.ReadCommitted, "G1b",
		together(txn{push(x, 1), push(x, 2)}, txn{list(x, 1)}, txn{list(x, 1, 2)})},
	{"two transactions read each other's appends", check.ReadCommitted, "G1c",
		together(txn{push(x, 1), list(y, 1)}, txn{push(y, 1), list(x, 1)})},
	{"a read sees half of a transaction", check.SnapshotIsolation, "G-single",
		together(txn{push(x, 1), push(y, 1)}, txn{list(x), list(y, 1)})},
	{"two reads see two appends in opposite orders (long fork)", check.SnapshotIsolation, "G-nonadjacent",
		together(txn{push(x, 1)}, txn{push(y, 1)}, txn{list(x, 1), list(y)}, txn{list(x), list(y, 1)})},
	{"a lost update", check.SnapshotIsolation, "lost update",
		together(txn{push(x, 1)}, txn{list(x, 1), push(x, 2)}, txn{list(x, 1), push(x, 3)}, txn{list(x, 1, 2, 3)})},
	{"a transaction does not see its own append", check.SnapshotIsolation, "internal",
		together(txn{push(x, 1), list(x)})},
	{"a transaction reads twice and differently", check.SnapshotIsolation, "internal",
		together(txn{push(x, 1)}, txn{list(x), list(x, 1)})},
	{"write skew", check.Serializable, "G2-item",
		together(txn{list(x), push(y, 1)}, txn{list(y), push(x, 1)})},
	{"a process does not see its own transaction's append", check.SessionSerializable, "G-single-process",
		inTurn(true, txn{push(x, 1)}, txn{list(x)}, txn{list(x, 1)})},
	{"a stale snapshot", check.StrictSerializable, "G-single-realtime",
		inTurn(false, txn{push(x, 1)}, txn{list(x)}, txn{list(x, 1)})},
	{"two blind appends take effect against real time", check.StrictSerializable, "G0-realtime",
		inTurn(false, txn{push(x, 1)}, txn{push(x, 2)}, txn{list(x, 2, 1)})},
}

var cellDefects = []defect{
	{"two transactions replace each other's values", check.ReadUncommitted, "G0",
		together(txn{get(x, 2), put(x, 1), put(y, 2)}, txn{put(x, 2), get(y, 2), put(y, 1)})},
	{"a value that nobody wrote", check.ReadUncommitted, "phantom", together(txn{get(x, 7)})},
	{"a read of an aborted transaction's write", check.ReadCommitted, "G1a", refused},
	{"a read of an intermediate state", check.ReadCommitted, "G1b",
		together(txn{put(x, 1), put(x, 2)}, txn{get(x, 1)})},
	{"two transactions read each other's writes", check.ReadCommitted, "G1c",
		together(txn{put(x, 1), get(y, 1)}, txn{put(y, 1), get(x, 1)})},
	{"a read sees half of a transaction", check.SnapshotIsolation, "G-single",
		together(txn{put(x, 1), put(y, 1)}, txn{get(x, record.Absent), get(y, 1)})},
	{"two reads see two writes in opposite orders (long fork)", check.SnapshotIsolation, "G-nonadjacent",
		together(txn{put(x, 1)}, txn{put(y, 1)}, txn{get(x, 1), get(y, record.Absent)}, txn{get(x, record.Absent), get(y, 1)})},
	{"a lost update", check.SnapshotIsolation, "lost update",
		together(txn{put(x, 1)}, txn{get(x, 1), put(x, 2)}, txn{get(x, 1), put(x, 3)})},
	{"a transaction does not see its own write", check.SnapshotIsolation, "internal",
		together(txn{put(x, 1), get(x, record.Absent)})},
	{"write skew", check.Serializable, "G2-item",
		together(txn{get(x, record.Absent), put(y, 1)}, txn{get(y, record.Absent), put(x, 1)})},
	{"a process does not see its own transaction's write", check.SessionSerializable, "G-single-process",
		inTurn(true, txn{put(x, 1)}, txn{get(x, record.Absent)})},
	{"a stale snapshot", check.StrictSerializable, "G-single-realtime",
		inTurn(false, txn{put(x, 1)}, txn{get(x, record.Absent)})},
}
