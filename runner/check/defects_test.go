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

var queueDefects = []defect{
	{"an acknowledged message never comes out", check.NoLostWrites, "lost write", func(r *rand.Rand, log *record.Log) bool {
		_, out := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Enqueue) && is(b, record.Dequeue) && a.Value == b.Value
		})
		remove(log, out)
		return true
	}},
	{"a message comes out twice", check.NoDuplicates, "duplicate", again},
	{"a message comes out twice", check.LinearizableQueue, "duplicate", again},
	{"a message that nobody sent", check.NoPhantoms, "phantom", stranger},
	{"a message that nobody sent", check.LinearizableQueue, "phantom", stranger},
	{"a refused message comes out", check.NoPhantoms, "failed write", func(r *rand.Rand, log *record.Log) bool {
		a := one(r, log, func(o *record.Op) bool { return o.Outcome == record.Fail })
		if a == nil {
			return false
		}
		insert(log, record.Op{Start: a.End + 10, End: a.End + 20, Process: 50, Function: record.Dequeue, Key: a.Key, Value: a.Value, Outcome: record.Ok})
		return true
	}},
	{"two messages come out in the wrong order", check.LinearizableQueue, "overtaken", swapped(false)},
	{"two messages of one sender come out in the wrong order", check.Ordered, "overtaken", swapped(true)},
	{"a dequeue finds nothing while a message is inside", check.LinearizableQueue, "not empty", func(r *rand.Rand, log *record.Log) bool {
		in, out := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Enqueue) && is(b, record.Dequeue) && a.Value == b.Value && a.End+10 < b.Start
		})
		insert(log, record.Op{Start: in.End + 2, End: out.Start - 2, Process: 50, Function: record.Dequeue, Key: in.Key, Value: record.Absent, Outcome: record.Ok})
		return true
	}},
}

func again(r *rand.Rand, log *record.Log) bool {
	out := *one(r, log, func(o *record.Op) bool { return is(o, record.Dequeue) && o.Value != record.Absent })
	out.Start, out.End, out.Process = out.End+10, out.End+20, 50
	insert(log, out)
	return true
}

func stranger(r *rand.Rand, log *record.Log) bool {
	one(r, log, func(o *record.Op) bool { return is(o, record.Dequeue) && load(o) }).Value = 1 << 50
	return true
}

func swapped(sameSender bool) func(*rand.Rand, *record.Log) bool {
	return func(r *rand.Rand, log *record.Log) bool {
		out := map[int64]*record.Op{}
		for i := range log.Ops {
			if is(&log.Ops[i], record.Dequeue) {
				out[log.Ops[i].Value] = &log.Ops[i]
			}
		}
		a, b := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Enqueue) && is(b, record.Enqueue) && a.End < b.Start && (!sameSender || a.Process == b.Process) &&
				out[a.Value].End < out[b.Value].Start && out[a.Value].Start > b.End
		})
		if a == nil {
			return false
		}
		out[a.Value].Value, out[b.Value].Value = b.Value, a.Value
		return true
	}
}

var lockDefects = []defect{
	{"a second holder", check.LinearizableLock, "two holders", func(r *rand.Rand, log *record.Log) bool {
		a, _ := two(r, log, func(a, b *record.Op) bool {
			return is(a, record.Acquire) && is(b, record.Release) && a.Value == b.Value && b.Start-a.End > 20
		})
		if a == nil {
			return false
		}
		insert(log, record.Op{Start: a.End + 2, End: a.End + 8, Process: 50, Function: record.Acquire, Key: 1, Value: 1 << 50, Outcome: record.Ok})
		return true
	}},
	{"a release by who does not hold it", check.LinearizableLock, "release of a lock not held", func(r *rand.Rand, log *record.Log) bool {
		insert(log, record.Op{Start: 5e5, End: 6e5, Process: 50, Function: record.Release, Key: 1, Outcome: record.Ok})
		return true
	}},
	{"a token given out twice", check.Fencing, "token reused", func(r *rand.Rand, log *record.Log) bool {
		a, b := two(r, log, func(a, b *record.Op) bool { return is(a, record.Acquire) && is(b, record.Acquire) && a.End < b.Start })
		b.Value = a.Value
		return true
	}},
	{"an effect of a former owner after its successor's", check.Fencing, "stale token", func(r *rand.Rand, log *record.Log) bool {
		e := one(r, log, func(o *record.Op) bool { return is(o, record.Effect) && o.Value > 1 })
		insert(log, record.Op{Start: e.End + 5, End: e.End + 9, Process: 50, Function: record.Effect, Key: 1 << 40, Value: e.Value - 1, Outcome: record.Ok})
		return true
	}},
}

// effects are read back in the definitive lane.
func effect(r *rand.Rand, log *record.Log) *record.Op {
	return one(r, log, func(o *record.Op) bool { return is(o, record.Effect) })
}

func twiceDone(r *rand.Rand, log *record.Log) bool {
	e := *effect(r, log)
	e.Start, e.End = e.End+1, e.End+2
	insert(log, e)
	return true
}

func notDone(r *rand.Rand, log *record.Log) bool {
	due := one(r, log, func(o *record.Op) bool { return is(o, record.Enqueue) })
	remove(log, one(r, log, func(o *record.Op) bool { return is(o, record.Effect) && o.Key == uint64(due.Value) }))
	return true
}

func neverAsked(r *rand.Rand, log *record.Log) bool {
	e := *effect(r, log)
	e.Key = 1 << 50
	insert(log, e)
	return true
}

var jobDefects = []defect{
	{"a job takes effect twice", check.ExactlyOnce, "double effect", twiceDone},
	{"a job takes effect twice", check.NoDuplicates, "duplicate", twiceDone},
	{"an acknowledged job never takes effect", check.ExactlyOnce, "missing effect", notDone},
	{"an acknowledged job never takes effect", check.NoLostWrites, "lost write", notDone},
	{"an effect of a job that nobody asked for", check.ExactlyOnce, "phantom effect", neverAsked},
	{"an effect of a job that nobody asked for", check.NoPhantoms, "phantom", neverAsked},
	{"an effect of a former owner after its successor's", check.Fencing, "stale token", func(r *rand.Rand, log *record.Log) bool {
		o := one(r, log, func(o *record.Op) bool { return is(o, record.Effect) && o.Value > 1 })
		if o == nil {
			return false
		}

		for i := range log.Ops {
			if log.Ops[i].Function == record.Effect && log.Ops[i].Intended < o.Intended && log.Ops[i].Value == o.Value {
				o.Value = 0
				return true
			}
		}
		return false
	}},
}

var bankDefects = []defect{
	{"a read shows half a transfer", check.Bank, "wrong total", func(r *rand.Rand, log *record.Log) bool {
		read := one(r, log, func(o *record.Op) bool { return is(o, record.Transaction) })
		read.Micro[r.IntN(4)].Value -= 1 + int64(r.IntN(9))
		return true
	}},
	{"an account is overdrawn", check.Bank, "negative balance", func(r *rand.Rand, log *record.Log) bool {
		read := one(r, log, func(o *record.Op) bool { return is(o, record.Transaction) })
		read.Micro[1].Value += read.Micro[0].Value + 5
		read.Micro[0].Value = -5
		return true
	}},
	{"money is made for good", check.Bank, "wrong total", func(r *rand.Rand, log *record.Log) bool {
		from := one(r, log, func(o *record.Op) bool { return is(o, record.Transaction) && o.Start > 2e4 }).Start
		reads := 0
		for i := range log.Ops {
			if o := &log.Ops[i]; is(o, record.Transaction) {
				if o.Start >= from {
					o.Micro[0].Value += 10
				} else {
					reads++
				}
			}
		}
		return reads > 0
	}},
}

var ownerDefects = []defect{
	{"a node goes on believing after the handover", check.SingleOwner, "two owners", func(r *rand.Rand, log *record.Log) bool {
		before := ""
		for i := range log.Events {
			e := &log.Events[i]
			if e.Name != "primary" {
				continue
			}
			if before != "" && before != e.Node { // e.Node is the new owner: the old one says so three polls longer
				left := 3
				for j := i; j < len(log.Events) && left > 0; j++ {
					if log.Events[j].Node == before {
						log.Events[j].Name = "primary"
						left--
					}
				}
				return true
			}
			before = e.Node
		}
		return false
	}},
}
