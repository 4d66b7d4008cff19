package check_test

import (
	"math/rand/v2"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

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
