package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// The names of the durability checks.
const (
	NoLostWrites = "no-lost-writes"
	NoPhantoms   = "no-phantoms"
	NoDuplicates = "no-duplicates"
)

func init() {
	register(NoLostWrites, "every acknowledged write is in the definitive read", durabilityCheck(NoLostWrites))
	register(NoPhantoms, "nothing is read that was never written, or whose write was refused", durabilityCheck(NoPhantoms))
	register(NoDuplicates, "no written element is there, or is delivered, more than once", durabilityCheck(NoDuplicates))
}

// ErrNotDefinitive is returned when something was written that no complete
// definitive read covers: what is absent cannot be told from what was not
// looked for.
var ErrNotDefinitive = errors.New("no complete definitive read of what was written")

// maxLost is how many lost writes a ledger lists.
const maxLost = 20

// Durability balances the acknowledged writes of a log against its definitive
// read (the lane with Definitive set, made after healing and quiescing) and
// returns a finding for each of the first lost writes.
//
//	outcome     present     absent
//	ok          Present     Lost
//	info        Recovered   -
//	fail        Resurrected -
//	never sent  Phantoms    -
//
// It reads sets (Add, ReadSet), lists (Append, ReadList, also inside
// transactions), queues (Enqueue, Dequeue; every delivery counts as a read and
// the definitive read is the one that finds the queue empty), jobs (Enqueue,
// and the Effects read back in the definitive lane) and registers (Write,
// Read). Values must be unique within a key. A register whose value
// was overwritten has not lost it: lost is what is newer than the survivor.
//
// RPOSeconds and SplitBrain are as MEASURES.md defines them, from [T0]; with
// no proven fault the last acknowledgement stands for t0.
func Durability(log *record.Log) (*record.Ledger, []record.Finding) {
	l, b, err := durability(context.Background(), log, 1)
	if err != nil {
		return &record.Ledger{}, nil
	}
	r := Report{Check: NoLostWrites}
	lostWrites(&r, l, b, T0(log))
	return l, r.Findings
}

func durability(ctx context.Context, log *record.Log, share uint64) (*record.Ledger, *books, error) {
	b := newBooks(&log.Header, func(i int) record.Op { return log.Ops[i] }, share)
	b.jobs = readBackEffects(log)
	if share == 1 {
		b.reserve(functions(log, record.Add, record.Append, record.Enqueue, record.Write, record.CompareAndSet), functions(log, record.Dequeue))
	}
	p := poll{ctx: ctx}
	for i := range log.Ops {
		if err := p.stopped(); err != nil {
			return nil, nil, err
		}
		b.Add(i, &log.Ops[i])
	}
	l, err := b.ledger(ctx, T0(log))
	return l, b, err
}

// ledger closes the books and counts.
func (b *books) ledger(ctx context.Context, t0 record.Time) (*record.Ledger, error) {
	complete, err := b.close(ctx)
	if err != nil {
		return nil, err
	}
	l := &record.Ledger{Definitive: complete, Phantoms: len(b.phantoms), Lost: len(b.lost), Resurrected: len(b.risen)}
	last := record.Never
	for i := range b.entries {
		e := &b.entries[i]
		switch e.outcome {
		case record.Ok:
			l.Acknowledged++
			last = max(last, e.ack)
			if e.seen > 0 {
				l.Present++
			}
			if t0 == record.Never || e.ack >= t0.Add(-WindowLead) {
				l.InWindow++
			}
		case record.Info:
			l.Unknown++
			if e.seen > 0 {
				l.Recovered++
			}
		case record.Fail:
			l.Refused++
		}
		if e.seen > 1 {
			l.Duplicates += int(e.seen) - 1
		}
	}
	slices.SortFunc(b.lost, func(x, y uint32) int {
		return cmp.Or(cmp.Compare(b.entries[x].ack, b.entries[y].ack), cmp.Compare(b.entries[x].index, b.entries[y].index))
	})
	l.Over = b.series()
	for _, i := range b.lost[:min(len(b.lost), maxLost)] {
		l.FirstLost = append(l.FirstLost, b.resolve(int(b.entries[i].index)))
	}
	if len(b.lost) > 0 {
		earliest, latest := b.entries[b.lost[0]].ack, b.entries[b.lost[len(b.lost)-1]].ack
		if t0 == record.Never {
			l.RPOSeconds = last.Sub(earliest).Seconds()
		} else {
			l.RPOSeconds = max(0, t0.Sub(earliest).Seconds())
			l.SplitBrain = max(0, latest.Sub(t0).Seconds())
		}
	}
	return l, nil
}

func durabilityCheck(name string) func(context.Context, *record.Log, Budget) (Report, error) {
	return func(ctx context.Context, log *record.Log, budget Budget) (Report, error) {
		r := Report{Check: name}
		share := shareFor(len(log.Ops), budget.Memory)
		l, b, err := durability(ctx, log, share)
		if err != nil {
			return r, err
		}
		r.Checked = l.Acknowledged
		r.Guarantee = map[string]string{
			NoLostWrites: "every acknowledged write was in the definitive read",
			NoPhantoms:   "the definitive read held nothing that was never written or whose write was refused",
			NoDuplicates: "the definitive read held no element twice",
		}[name]
		if share > 1 {
			r.Narrowed = fmt.Sprintf("memory budget: a sample of one in %d elements was balanced", share)
			r.Guarantee += fmt.Sprintf(", for one element in %d", share)
		}
		switch name {
		case NoLostWrites:
			lostWrites(&r, l, b, T0(log))
		case NoPhantoms:
			phantoms(&r, b)
		case NoDuplicates:
			duplicates(&r, b)
		}
		if r.Total == 0 && !l.Definitive && r.Checked > 0 {
			return r, ErrNotDefinitive
		}
		return r, nil
	}
}

// bytesPerWrite is what the books hold for an operation at most: an entry, a
// sighting or read value, and the growth of their slices.
const bytesPerWrite = 100

func shareFor(ops int, memory int64) uint64 {
	need := int64(ops) * bytesPerWrite
	if memory <= 0 || need <= memory {
		return 1
	}
	return uint64((need + memory - 1) / memory)
}

func lostWrites(r *Report, l *record.Ledger, b *books, t0 record.Time) {
	for i, o := range l.FirstLost {
		f := record.Finding{Name: "lost write", From: o.Start, To: o.End, Witness: []record.Op{o}}
		e := b.entries[b.lost[i]]
		f.Text = fmt.Sprintf("%s was acknowledged at %.6f s%s and is absent from the definitive read",
			Describe(&o), o.End.Seconds(), relative(o.End, t0))
		if index, ok := b.lastRead[shelf{e.store, e.key}]; ok {
			read := b.resolve(int(index))
			f.Text += fmt.Sprintf(" that ended at %.6f s with %d elements", read.End.Seconds(), len(valuesOf(&read, shelf{e.store, e.key})))
			f.Picture = Timeline([]record.Op{o, read})
		}
		r.add(f)
	}
	r.Total = l.Lost
}

// relative says when an instant was, seen from the fault.
func relative(at, t0 record.Time) string {
	switch {
	case t0 == record.Never:
		return ""
	case at < t0:
		return fmt.Sprintf(" (%v before the fault)", t0.Sub(at))
	}
	return fmt.Sprintf(" (%v after the fault)", at.Sub(t0))
}

func phantoms(r *Report, b *books) {
	for _, s := range b.phantoms {
		if r.full() {
			break
		}
		o := b.resolve(int(s.index))
		r.add(record.Finding{Name: "phantom", From: o.Start, To: o.End, Witness: []record.Op{o},
			Text: fmt.Sprintf("%d was read from %d but never written", s.value, s.key)})
	}
	for _, i := range b.risen {
		if r.full() {
			break
		}
		o := b.resolve(int(b.entries[i].index))
		r.add(record.Finding{Name: "failed write is present", From: o.Start, To: o.End, Witness: []record.Op{o},
			Text: fmt.Sprintf("%s was refused, yet it is in the definitive read", Describe(&o))})
	}
	r.Total = len(b.phantoms) + len(b.risen)
}

func duplicates(r *Report, b *books) {
	total := 0
	for _, i := range b.doubled {
		e := b.entries[i]
		total += int(e.seen) - 1
		if r.full() {
			continue
		}
		o := b.resolve(int(e.index))
		r.add(record.Finding{Name: "duplicate", From: o.Start, To: o.End, Witness: []record.Op{o},
			Text: fmt.Sprintf("%s is there %d times", Describe(&o), e.seen)})
	}
	r.Total = total
}
