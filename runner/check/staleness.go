package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// NoStaleReads is the name of the check that no read of a register returned a
// value that had been superseded before the read began.
const NoStaleReads = "no-stale-reads"

func init() {
	register(NoStaleReads, "no read returned a value that an acknowledged write had superseded before the read began", noStaleReads)
}

// Stale says how stale the reads of a log were.
//
//	write 1 ├──┤
//	write 2        ├──┤
//	read 1                 ├──┤     stale by the time from the end of
//	                  ◀───▶         write 2 to the start of the read
type Stale struct {
	Reads int           // reads that were judged
	Stale int           // of those, stale ones
	Max   time.Duration // the greatest age
	P99   time.Duration // of the ages of all judged reads, fresh ones being 0
}

// Staleness measures the reads of registers with unique values in all judged
// lanes. The age is a lower bound: only what is certain counts.
func Staleness(ctx context.Context, log *record.Log) (Stale, error) {
	s, _, err := staleness(ctx, log, 0)
	return s, err
}

// staleRead is one stale read with the write that it should have seen.
type staleRead struct {
	age              time.Duration
	read, newer, old *record.Op
}

func staleness(ctx context.Context, log *record.Log, keep int) (Stale, []staleRead, error) {
	var s Stale
	var worst []staleRead
	var ages []time.Duration
	keys, err := partition(ctx, log, func(o *record.Op) bool {
		return o.Function == record.Read || o.Function == record.Write || o.Function == record.CompareAndSet
	})
	if err != nil {
		return s, nil, err
	}
	for i := range keys.len() {
		if err := stopped(ctx); err != nil {
			return s, nil, err
		}
		ops := make([]*record.Op, 0, len(keys.at(i)))
		for _, j := range keys.at(i) {
			ops = append(ops, &log.Ops[j])
		}
		p := pastOf(ops)
		writes := slices.DeleteFunc(slices.Clone(ops), func(o *record.Op) bool {
			return o.Function == record.Read || o.Outcome != record.Ok || p.twice[o.Value]
		})
		slices.SortStableFunc(writes, func(a, b *record.Op) int { return cmp.Compare(a.Start, b.Start) })
		soonest := make([]*record.Op, len(writes)) // of writes[i:], the one acknowledged first
		for j := len(writes) - 1; j >= 0; j-- {
			soonest[j] = writes[j]
			if j+1 < len(writes) && soonest[j+1].End < writes[j].End {
				soonest[j] = soonest[j+1]
			}
		}
		for _, o := range ops {
			at, known := p.acknowledged(o.Value)
			if o.Function != record.Read || o.Outcome != record.Ok || !known {
				continue
			}
			s.Reads++
			j, _ := slices.BinarySearchFunc(writes, at, func(w *record.Op, t record.Time) int {
				if w.Start <= t {
					return -1
				}
				return 1
			})
			if j == len(writes) || soonest[j].End >= o.Start {
				continue
			}
			age := o.Start.Sub(soonest[j].End)
			s.Stale++
			s.Max = max(s.Max, age)
			ages = append(ages, age)
			worst = append(worst, staleRead{age, o, soonest[j], p.writes[o.Value]})
			if len(worst) > 4*keep+16 {
				worst = mostStale(worst, keep)
			}
		}
	}
	slices.Sort(ages)
	if rank := s.Reads - 1 - s.Reads/100; s.Reads > 0 && rank >= s.Reads-s.Stale {
		s.P99 = ages[rank-(s.Reads-s.Stale)]
	}
	return s, mostStale(worst, keep), nil
}

func mostStale(all []staleRead, keep int) []staleRead {
	slices.SortStableFunc(all, func(a, b staleRead) int {
		return cmp.Or(cmp.Compare(b.age, a.age), cmp.Compare(a.read.Start, b.read.Start))
	})
	return all[:min(keep, len(all))]
}

func noStaleReads(ctx context.Context, log *record.Log, _ Budget) (Report, error) {
	r := Report{Check: NoStaleReads, Guarantee: "no read of a register returned a value that had certainly been superseded before it began"}
	s, worst, err := staleness(ctx, log, MaxFindings)
	if err != nil {
		return r, err
	}
	r.Checked = s.Reads
	for _, w := range worst {
		f := record.Finding{Name: "stale read", From: w.newer.End, To: w.read.End,
			Text: fmt.Sprintf("key %d: %s was read %v after %s had been acknowledged", w.read.Key, value(w.read.Value), w.age, value(w.newer.Value))}
		if w.old != nil {
			f.Witness = append(f.Witness, *w.old)
		}
		f.Witness = append(f.Witness, *w.newer, *w.read)
		r.add(f)
	}
	r.Total = s.Stale
	return r, nil
}
