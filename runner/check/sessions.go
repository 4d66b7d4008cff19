package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// The names of the session guarantees (Terry et al., "Session Guarantees for
// Weakly Consistent Replicated Data", PDIS 1994). A session is a process.
const (
	ReadYourWrites    = "read-your-writes"
	MonotonicReads    = "monotonic-reads"
	MonotonicWrites   = "monotonic-writes"
	WritesFollowReads = "writes-follow-reads"
)

func init() {
	for name, doc := range map[string]string{
		ReadYourWrites:    "a process that had its write acknowledged never reads an older value or a set without it",
		MonotonicReads:    "a process never reads an older value, or a smaller set, than it read before",
		MonotonicWrites:   "the definitive value of a register is not one that its own writer had replaced",
		WritesFollowReads: "the definitive value of a register is not one that a process had read before it wrote",
	} {
		register(name, doc, func(ctx context.Context, log *record.Log, b Budget) (Report, error) {
			return sessions(ctx, log, name, "over registers and sets, "+doc)
		})
	}
}

// past is what is known of when a register's values were written.
//
// A value is older than another only where that is certain: where its write
// had been acknowledged before the other's began. Nothing is older than what
// was written concurrently with it or with unknown outcome.
type past struct {
	writes map[int64]*record.Op
	twice  map[int64]bool
}

func pastOf(ops []*record.Op) past {
	p := past{writes: map[int64]*record.Op{}, twice: map[int64]bool{}}
	for _, o := range ops {
		if (o.Function == record.Write || o.Function == record.CompareAndSet) && (o.Outcome == record.Ok || o.Outcome == record.Info) {
			if p.writes[o.Value] != nil {
				p.twice[o.Value] = true
			}
			p.writes[o.Value] = o
		}
	}
	return p
}

// acknowledged returns when a value was certainly in place: Never (before
// everything) for the initial one. known is false where that cannot be said.
func (p past) acknowledged(v int64) (at record.Time, known bool) {
	if v == record.Absent {
		return record.Never, p.writes[v] == nil
	}
	w := p.writes[v]
	if w == nil || p.twice[v] || w.Outcome != record.Ok {
		return 0, false
	}
	return w.End, true
}

// older reports whether value v is certainly older than the one that w wrote.
func (p past) older(v int64, w *record.Op) bool {
	at, known := p.acknowledged(v)
	return known && w != nil && !p.twice[w.Value] && at < w.Start
}

type sessionReport struct {
	*Report
	key uint64
}

func (s sessionReport) broken(text string, ops ...*record.Op) {
	if s.full() {
		s.Total++
		return
	}
	f := record.Finding{Name: s.Check, Text: fmt.Sprintf("key %d: %s", s.key, text)}
	for _, o := range ops {
		if o != nil {
			f.Witness = append(f.Witness, *o)
		}
	}
	f.From, f.To = span(f.Witness)
	s.add(f)
}

func sessions(ctx context.Context, log *record.Log, name, guarantee string) (Report, error) {
	r := Report{Check: name, Guarantee: guarantee}
	keys, err := partition(ctx, log, func(o *record.Op) bool {
		switch o.Function {
		case record.Read, record.Write, record.CompareAndSet, record.Add, record.ReadSet:
			return true
		}
		return false
	})
	if err != nil {
		return r, err
	}
	for i := range keys.len() {
		if err := stopped(ctx); err != nil {
			return r, err
		}
		var registers, sets []*record.Op
		for _, j := range keys.at(i) {
			o := &log.Ops[j]
			if o.Function == record.Add || o.Function == record.ReadSet {
				sets = append(sets, o)
			} else {
				registers = append(registers, o)
			}
		}
		for _, ops := range [][]*record.Op{registers, sets} {
			slices.SortStableFunc(ops, func(a, b *record.Op) int {
				return cmp.Or(cmp.Compare(a.Process, b.Process), cmp.Compare(a.Start, b.Start))
			})
		}
		s := sessionReport{&r, log.Ops[keys.at(i)[0]].Key}
		switch name {
		case ReadYourWrites, MonotonicReads:
			s.registers(registers, name == ReadYourWrites)
			s.sets(sets, name == ReadYourWrites)
		default:
			s.final(&log.Header, registers, name == MonotonicWrites)
		}
	}
	return r, nil
}

// registers checks the reads of each process against its own latest write
// (own), or against the newest value that it had read.
func (s sessionReport) registers(ops []*record.Op, own bool) {
	p := pastOf(ops)
	var newest, by *record.Op // the write of the newest value of the session, and the operation that showed it
	for i, o := range ops {
		if i > 0 && ops[i-1].Process != o.Process {
			newest, by = nil, nil
		}
		if o.Outcome != record.Ok {
			continue
		}
		if o.Function != record.Read {
			if own {
				newest, by = o, o
			}
			continue
		}
		s.Checked++
		if p.older(o.Value, newest) {
			s.broken(fmt.Sprintf("process %d read %s, older than %s, which it had %s before", o.Process, value(o.Value), value(newest.Value), verb(own)),
				p.writes[o.Value], notSame(newest, by), by, o)
		}
		if w := p.writes[o.Value]; !own && w != nil && (newest == nil || w.Start > newest.Start) {
			newest, by = w, o
		}
	}
}

func verb(own bool) string {
	if own {
		return "written"
	}
	return "read"
}

func notSame(a, b *record.Op) *record.Op {
	if a == b {
		return nil
	}
	return a
}

// sets checks that each read of a process holds all that the process had
// added (own) or read before.
func (s sessionReport) sets(ops []*record.Op, own bool) {
	var must []int64 // sorted
	var by *record.Op
	source := map[int64]*record.Op{}
	for i, o := range ops {
		if i > 0 && ops[i-1].Process != o.Process {
			must, by = nil, nil
			clear(source)
		}
		if o.Outcome != record.Ok {
			continue
		}
		if o.Function == record.Add {
			if own {
				at, _ := slices.BinarySearch(must, o.Value)
				must = slices.Insert(must, at, o.Value)
				source[o.Value] = o
			}
			continue
		}
		s.Checked++
		got := slices.Clone(o.Values)
		slices.Sort(got)
		if v, missing := firstMissing(must, got); missing {
			witness := by
			if own {
				witness = source[v]
			}
			s.broken(fmt.Sprintf("process %d read the set without %d, which it had %s before", o.Process, v, verb(own)), witness, o)
		}
		if !own {
			must, by = got, o
		}
	}
}

// firstMissing returns an element of sorted a that sorted b lacks.
func firstMissing(a, b []int64) (int64, bool) {
	j := 0
	for _, v := range a {
		for j < len(b) && b[j] < v {
			j++
		}
		if j == len(b) || b[j] != v {
			return v, true
		}
	}
	return 0, false
}

// final checks the definitive value against what each process wrote after it
// had written that value (own) or read it: the later write must not be the
// older one.
func (s sessionReport) final(h *record.Header, ops []*record.Op, own bool) {
	p := pastOf(ops)
	var read *record.Op
	for _, o := range ops {
		if o.Function == record.Read && o.Outcome == record.Ok && definitive(h, o) && (read == nil || o.Start > read.Start) {
			read = o
		}
	}
	if read == nil {
		return
	}
	if w := p.writes[read.Value]; w == nil || p.twice[read.Value] {
		return
	}
	var before *record.Op
	for i, o := range ops {
		if i > 0 && ops[i-1].Process != o.Process {
			before = nil
		}
		if o.Outcome != record.Ok {
			continue
		}
		write := o.Function != record.Read
		if write {
			s.Checked++
		}
		if write && before != nil && o.Value != read.Value {
			s.broken(fmt.Sprintf("the definitive value is %d, although process %d wrote %d after it had %s %d",
				read.Value, o.Process, o.Value, verb(own), read.Value), before, o, read)
			before = nil
		}
		if o.Value == read.Value && write == own && o != read {
			before = o
		}
	}
}
