package check_test

import (
	"math/rand/v2"
	"slices"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

// site is a place in a history, found by a condition on one, two or three
// operations; a random one of those that match is used.
type site []*record.Op

func one(r *rand.Rand, log *record.Log, match func(a *record.Op) bool) *record.Op {
	var all []*record.Op
	for i := range log.Ops {
		if match(&log.Ops[i]) {
			all = append(all, &log.Ops[i])
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[r.IntN(len(all))]
}

func two(r *rand.Rand, log *record.Log, match func(a, b *record.Op) bool) (a, b *record.Op) {
	var all []site
	for i := range log.Ops {
		for j := range log.Ops {
			if i != j && log.Ops[i].Key == log.Ops[j].Key && match(&log.Ops[i], &log.Ops[j]) {
				all = append(all, site{&log.Ops[i], &log.Ops[j]})
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	s := all[r.IntN(len(all))]
	return s[0], s[1]
}

func is(o *record.Op, f record.Function) bool { return o.Function == f && o.Outcome == record.Ok }

func wrote(o *record.Op) bool {
	return o.Outcome == record.Ok && (o.Function == record.Write || o.Function == record.CompareAndSet)
}

func load(o *record.Op) bool { return o.Lane == 0 }

func without(vs []int64, v int64) []int64 {
	return slices.DeleteFunc(slices.Clone(vs), func(x int64) bool { return x == v })
}

func insert(log *record.Log, o record.Op) {
	o.Intended = o.Start
	at := 0
	for at < len(log.Ops) && log.Ops[at].Intended <= o.Intended {
		at++
	}
	log.Ops = slices.Insert(log.Ops, at, o)
}

func remove(log *record.Log, o *record.Op) {
	for i := range log.Ops {
		if &log.Ops[i] == o {
			log.Ops = slices.Delete(log.Ops, i, i+1)
			return
		}
	}
}

var setDefects = []defect{
	{"an acknowledged add is not in the definitive read", check.NoLostWrites, "lost write", func(r *rand.Rand, log *record.Log) bool {
		a, read := two(r, log, func(a, b *record.Op) bool { return is(a, record.Add) && is(b, record.ReadSet) && !load(b) })
		read.Values = without(read.Values, a.Value)
		return true
	}},
	{"an element that nobody added", check.NoPhantoms, "phantom", func(r *rand.Rand, log *record.Log) bool {
		read := one(r, log, func(o *record.Op) bool { return !load(o) })
		read.Values = append(read.Values, 1<<50)
		return true
	}},
	{"an element whose add was refused", check.NoPhantoms, "failed write", func(r *rand.Rand, log *record.Log) bool {
		a, read := two(r, log, func(a, b *record.Op) bool { return a.Outcome == record.Fail && !load(b) })
		if a == nil {
			return false
		}
		read.Values = append(read.Values, a.Value)
		return true
	}},
	{"an element twice", check.NoDuplicates, "duplicate", func(r *rand.Rand, log *record.Log) bool {
		read := one(r, log, func(o *record.Op) bool { return !load(o) && len(o.Values) > 0 })
		read.Values = append(read.Values, read.Values[r.IntN(len(read.Values))])
		return true
	}},
	{"a read misses an add acknowledged before it", check.LinearizableSet, "", func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Add) && is(b, record.ReadSet) && load(b) && a.End < b.Start
		})
		if a == nil {
			return false
		}
		b.Values = without(b.Values, a.Value)
		return true
	}},
	{"a read shows an add that begins after it", check.LinearizableSet, "", func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Add) && is(b, record.ReadSet) && load(b) && a.Start > b.End
		})
		if a == nil {
			return false
		}
		b.Values = append(b.Values, a.Value)
		return true
	}},
	{"two reads, each with an element that the other lacks", check.LinearizableSet, "", func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.ReadSet) && is(b, record.ReadSet) && len(a.Values) > 1 && len(b.Values) > len(a.Values)
		})
		if a == nil {
			return false
		}
		b.Values = without(b.Values, a.Values[r.IntN(len(a.Values))])
		return true
	}},
	{"a process reads without its own add", check.ReadYourWrites, check.ReadYourWrites, func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Add) && is(b, record.ReadSet) && a.Process == b.Process && a.End < b.Start
		})
		if a == nil {
			return false
		}
		b.Values = without(b.Values, a.Value)
		return true
	}},
	{"a process reads less than before", check.MonotonicReads, check.MonotonicReads, func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.ReadSet) && is(b, record.ReadSet) && a.Process == b.Process && a.End < b.Start && len(a.Values) > 0
		})
		if a == nil {
			return false
		}
		// Every read of the process in between must lose it too, or the defect
		// is only a later one; dropping it from b alone is enough to go back.
		b.Values = without(b.Values, a.Values[r.IntN(len(a.Values))])
		return true
	}},
}

// older matches a, b: two acknowledged writes, a's certainly the older.
func older(a, b *record.Op) bool { return wrote(a) && wrote(b) && a.End < b.Start }

var registerDefects = []defect{
	{"the definitive value is older than an acknowledged write", check.NoLostWrites, "lost write", func(r *rand.Rand, log *record.Log) bool {
		a, _ := two(r, log, older)
		one(r, log, func(o *record.Op) bool { return !load(o) && o.Key == a.Key }).Value = a.Value
		return true
	}},
	{"the definitive value was never written", check.NoPhantoms, "phantom", func(r *rand.Rand, log *record.Log) bool {
		one(r, log, func(o *record.Op) bool { return !load(o) }).Value = 1 << 50
		return true
	}},
	{"the definitive value's write was refused", check.NoPhantoms, "failed write", func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool { return a.Outcome == record.Fail && !load(b) })
		if a == nil {
			return false
		}
		b.Value = a.Value
		return true
	}},
	{"a stale read", check.NoStaleReads, "stale read", staleBy(0)},
	{"a stale read", check.LinearizableRegister, "", staleBy(0)},
	{"a read stale by more than 20 µs", check.NoStaleReads, "stale read", staleBy(20_000)},
	{"two reads swapped", check.LinearizableRegister, "", func(r *rand.Rand, log *record.Log) bool {
		writer := map[int64]*record.Op{}
		for i := range log.Ops {
			if wrote(&log.Ops[i]) {
				writer[log.Ops[i].Value] = &log.Ops[i]
			}
		}
		a, b := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Read) && is(b, record.Read) && writer[b.Value] != nil && writer[b.Value].Start > a.End
		})
		if a == nil {
			return false
		}
		a.Value, b.Value = b.Value, a.Value
		return true
	}},
	{"a read of a refused write", check.LinearizableRegister, "read of a failed write", func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool { return a.Outcome == record.Fail && is(b, record.Read) })
		if a == nil {
			return false
		}
		b.Value = a.Value
		return true
	}},
	{"a read of what nobody wrote", check.LinearizableRegister, "phantom", func(r *rand.Rand, log *record.Log) bool {
		one(r, log, func(o *record.Op) bool { return is(o, record.Read) }).Value = 1 << 50
		return true
	}},
	{"two compare-and-sets replace one value", check.LinearizableRegister, "two successors", func(r *rand.Rand, log *record.Log) bool {
		a := one(r, log, func(o *record.Op) bool { return is(o, record.CompareAndSet) })
		twin := *a
		twin.Process, twin.Value = 77, 1<<50
		insert(log, twin)
		return true
	}},
	{"a process reads older than its own write", check.ReadYourWrites, check.ReadYourWrites, func(r *rand.Rand, log *record.Log) bool {
		w, read := two(r, log, func(a, b *record.Op) bool {
			return wrote(a) && is(b, record.Read) && a.Process == b.Process && a.End < b.Start
		})
		if w == nil {
			return false
		}
		read.Value = record.Absent
		return true
	}},
	{"a process reads older than it read before", check.MonotonicReads, check.MonotonicReads, func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Read) && is(b, record.Read) && a.Value != record.Absent && a.Process == b.Process && a.End < b.Start
		})
		if a == nil {
			return false
		}
		b.Value = record.Absent
		return true
	}},
	{"the definitive value is one that its writer had replaced", check.MonotonicWrites, check.MonotonicWrites, func(r *rand.Rand, log *record.Log) bool {
		a, _ := two(r, log, func(a, b *record.Op) bool { return older(a, b) && a.Process == b.Process })
		if a == nil {
			return false
		}
		one(r, log, func(o *record.Op) bool { return !load(o) && o.Key == a.Key }).Value = a.Value
		return true
	}},
	{"the definitive value is one that was read before a write", check.WritesFollowReads, check.WritesFollowReads, func(r *rand.Rand, log *record.Log) bool {
		a, _ := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Read) && a.Value != record.Absent && wrote(b) && a.Process == b.Process && a.End < b.Start && a.Value != b.Value
		})
		if a == nil {
			return false
		}
		one(r, log, func(o *record.Op) bool { return !load(o) && o.Key == a.Key }).Value = a.Value
		return true
	}},
}

// staleBy makes a read return a value that was superseded at least so long
// before the read began.
func staleBy(age record.Time) func(*rand.Rand, *record.Log) bool {
	return func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, older)
		read := one(r, log, func(o *record.Op) bool { return is(o, record.Read) && o.Key == a.Key && o.Start > b.End+age })
		if read == nil {
			return false
		}
		read.Value = a.Value
		return true
	}
}
