package check

import "github.com/hadrill/hadrill/runner/record"

// ledgerSlices is into how many slices of time a ledger is cut: as many as
// a page can show.
const ledgerSlices = 200

// series is the closed books over time. Every lost write is in it, however
// many there are.
func (b *books) series() *record.LedgerSeries {
	from, to := record.Never, record.Never
	for i := range b.entries {
		if e := &b.entries[i]; e.outcome == record.Ok || e.outcome == record.Info {
			if from == record.Never || e.ack < from {
				from = e.ack
			}
			to = max(to, e.ack)
		}
	}
	if from == record.Never {
		return nil
	}
	s := &record.LedgerSeries{From: from, Step: int64(to-from)/ledgerSlices + 1}
	n := int(int64(to-from)/s.Step) + 1
	s.Kept, s.Lost, s.Unknown, s.Duplicates = make([]int32, n), make([]int32, n), make([]int32, n), make([]int32, n)
	for i := range b.entries {
		e := &b.entries[i]
		if e.outcome != record.Ok && e.outcome != record.Info {
			continue
		}
		slice := int64(e.ack-from) / s.Step
		if e.outcome == record.Ok {
			s.Kept[slice]++
		} else {
			s.Unknown[slice]++
		}
		if e.seen > 1 {
			s.Duplicates[slice] += int32(e.seen) - 1
		}
	}
	for _, i := range b.lost {
		slice := int64(b.entries[i].ack-from) / s.Step
		s.Kept[slice]--
		s.Lost[slice]++
	}
	return s
}
