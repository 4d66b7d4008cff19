package check_test

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// simulation is a correct system: every operation takes effect at one instant
// between its start and its end, one after the other, on one sequential
// object. Some outcomes are unknown (applied or not), some are refusals (never
// applied).
type simulation struct {
	*rand.Rand
	log  record.Log
	free [8]record.Time
	now  record.Time
	next int64
}

func newSimulation(seed uint64) *simulation {
	s := &simulation{Rand: rand.New(rand.NewPCG(seed, 11)), now: 1e6}
	s.log.Header.Lanes = newHistory().log.Header.Lanes
	s.log.Header.Scenario.Faults = []record.FaultPlan{{ID: "1", Fault: "partition"}}
	return s
}

// unique returns a value that was never used.
func (s *simulation) unique() int64 {
	s.next++
	return s.next
}

// op appends an operation of a random process around the next instant.
func (s *simulation) op(f record.Function, key uint64, v int64) *record.Op {
	return s.by(uint32(s.IntN(len(s.free))), f, key, v)
}

func (s *simulation) by(process uint32, f record.Function, key uint64, v int64) *record.Op {
	start := max(s.free[process]+1, s.now-record.Time(s.IntN(3000)))
	s.now = max(s.now, start) + 1 + record.Time(s.IntN(400))
	end := s.now + 1 + record.Time(s.IntN(3000))
	s.free[process] = end
	s.log.Ops = append(s.log.Ops, record.Op{Intended: start, Start: start, End: end, Process: process, Function: f, Key: key, Value: v, Outcome: record.Ok})
	return &s.log.Ops[len(s.log.Ops)-1]
}

// fate gives a write an outcome and reports whether it takes effect.
func (s *simulation) fate(o *record.Op) bool {
	switch s.IntN(12) {
	case 0:
		o.Outcome = record.Info
		return s.IntN(2) == 0
	case 1:
		o.Outcome = record.Fail
		return false
	}
	return true
}

// quiesce lets every operation end before the definitive reads.
func (s *simulation) quiesce() {
	for _, t := range s.free {
		s.now = max(s.now, t)
	}
	s.now += 1e6
}

func (s *simulation) definitive(f record.Function, key uint64, v int64) *record.Op {
	s.now += 10
	s.log.Ops = append(s.log.Ops, record.Op{Intended: s.now, Start: s.now, End: s.now + 5, Process: 99, Function: f, Key: key, Value: v, Lane: 2, Outcome: record.Ok})
	return &s.log.Ops[len(s.log.Ops)-1]
}

func (s *simulation) done() *record.Log {
	slices.SortStableFunc(s.log.Ops, func(a, b record.Op) int { return cmp.Compare(a.Intended, b.Intended) })
	return &s.log
}

func simulateSets(seed uint64) *record.Log {
	s := newSimulation(seed)
	in := map[uint64][]int64{}
	for range 120 {
		key := 1 + s.Uint64N(2)
		if s.IntN(4) == 0 {
			s.op(record.ReadSet, key, 0).Values = slices.Clone(in[key])
			continue
		}
		o := s.op(record.Add, key, s.unique())
		if s.fate(o) {
			in[key] = append(in[key], o.Value)
		}
	}
	s.quiesce()
	for key := uint64(1); key <= 2; key++ {
		s.definitive(record.ReadSet, key, 0).Values = slices.Clone(in[key])
	}
	return s.done()
}

func simulateRegisters(seed uint64) *record.Log {
	s := newSimulation(seed)
	held := map[uint64]int64{1: record.Absent, 2: record.Absent, 3: record.Absent}
	for range 150 {
		key := 1 + s.Uint64N(3)
		switch s.IntN(5) {
		case 0, 1:
			s.op(record.Read, key, held[key])
		case 2:
			o := s.op(record.CompareAndSet, key, s.unique())
			o.Expect = held[key]
			if s.fate(o) {
				held[key] = o.Value
			}
		default:
			o := s.op(record.Write, key, s.unique())
			if s.fate(o) {
				held[key] = o.Value
			}
		}
	}
	s.quiesce()
	for key, v := range held {
		s.definitive(record.Read, key, v)
	}
	return s.done()
}

func simulateQueues(seed uint64) *record.Log {
	s := newSimulation(seed)
	in := map[uint64][]int64{}
	for range 120 {
		key := 1 + s.Uint64N(2)
		if s.IntN(5) < 2 {
			v := record.Absent
			if len(in[key]) > 0 {
				v, in[key] = in[key][0], in[key][1:]
			}
			s.op(record.Dequeue, key, v)
			continue
		}
		o := s.op(record.Enqueue, key, s.unique())
		if s.fate(o) {
			in[key] = append(in[key], o.Value)
		}
	}
	s.quiesce()
	for key := uint64(1); key <= 2; key++ {
		for _, v := range append(in[key], record.Absent) {
			s.definitive(record.Dequeue, key, v)
		}
	}
	return s.done()
}

// simulateLocks holds locks one process at a time, with a token that rises,
// and effects under them.
func simulateLocks(seed uint64) *record.Log {
	s := newSimulation(seed)
	for range 40 {
		p := uint32(s.IntN(len(s.free)))
		token := s.unique()
		s.by(p, record.Acquire, 1, token)
		for range s.IntN(3) {
			s.by(p, record.Effect, uint64(s.unique()), token)
		}
		s.by(p, record.Release, 1, token)
	}
	return s.done()
}

func simulateJobs(seed uint64) *record.Log {
	s := newSimulation(seed)
	var done []int64
	for range 60 {
		job := s.unique()
		if o := s.op(record.Enqueue, 1, job); s.fate(o) {
			done = append(done, job)
		}
	}
	s.quiesce()
	for i, job := range done { // in the order in which they were made, under rising tokens
		s.definitive(record.Effect, uint64(job), int64(1+i/10))
	}
	return s.done()
}

func simulateBank(seed uint64) *record.Log {
	s := newSimulation(seed)
	balance := []int64{100, 100, 100, 100}
	for range 80 {
		if s.IntN(2) == 0 {
			o := s.op(record.Transaction, 0, 0)
			for account, v := range balance {
				o.Micro = append(o.Micro, record.Micro{Function: record.Read, Key: uint64(account), Value: v})
			}
			continue
		}
		from, to := s.IntN(4), s.IntN(4)
		o := s.op(record.Transfer, uint64(from), int64(1+s.IntN(20)))
		o.Expect = int64(to)
		if balance[from] < o.Value {
			o.Outcome = record.Fail
		} else if s.fate(o) {
			balance[from] -= o.Value
			balance[to] += o.Value
		}
	}
	return s.done()
}

// simulateLists runs strict serializable transactions over lists, and
// simulateCells over registers.
func simulateLists(seed uint64) *record.Log {
	s := newSimulation(seed)
	lists := map[uint64][]int64{}
	for range 100 {
		o := s.op(record.Transaction, 0, 0)
		after := map[uint64][]int64{}
		get := func(k uint64) []int64 {
			if v, ok := after[k]; ok {
				return v
			}
			return lists[k]
		}
		for range 1 + s.IntN(4) {
			key := 1 + s.Uint64N(4)
			if s.IntN(2) == 0 {
				o.Micro = append(o.Micro, record.Micro{Function: record.ReadList, Key: key, Values: slices.Clone(get(key))})
				continue
			}
			v := s.unique()
			o.Micro = append(o.Micro, record.Micro{Function: record.Append, Key: key, Value: v})
			after[key] = append(slices.Clone(get(key)), v)
		}
		if s.fate(o) {
			for k, v := range after {
				lists[k] = v
			}
		}
	}
	return s.done()
}

func simulateCells(seed uint64) *record.Log {
	s := newSimulation(seed)
	cells := map[uint64]int64{1: record.Absent, 2: record.Absent, 3: record.Absent}
	for range 100 {
		o := s.op(record.Transaction, 0, 0)
		after := map[uint64]int64{}
		for k, v := range cells {
			after[k] = v
		}
		for range 1 + s.IntN(4) {
			key := 1 + s.Uint64N(3)
			if s.IntN(3) > 0 {
				o.Micro = append(o.Micro, record.Micro{Function: record.Read, Key: key, Value: after[key]})
			}
			if s.IntN(2) == 0 {
				after[key] = s.unique()
				o.Micro = append(o.Micro, record.Micro{Function: record.Write, Key: key, Value: after[key]})
			}
		}
		if s.fate(o) {
			cells = after
		}
	}
	return s.done()
}

// simulateOwners hands the primary's role over several times, each node being
// asked every 10 ms.
func simulateOwners(seed uint64) *record.Log {
	s := newSimulation(seed)
	nodes := []string{"a", "b", "c"}
	owner, until := 0, 0
	for poll := range 60 {
		at := record.Time(poll) * 10e6
		if poll >= until {
			until = poll + 5 + s.IntN(10)
			if poll > 0 {
				owner = (owner + 1 + s.IntN(2)) % 3
			}
		}
		for i, n := range nodes {
			role := "replica"
			if i == owner {
				role = "primary"
			}
			at += record.Time(s.IntN(1000))
			s.log.Events = append(s.log.Events, record.Event{At: at, Kind: record.EventBelief, Node: n, Name: role})
		}
	}
	return s.done()
}
