package check

import (
	"context"
	"fmt"

	"github.com/hadrill/hadrill/runner/record"
)

// Bank is the name of the check that money is neither made nor lost: every
// read of all accounts has the same total.
const Bank = "bank"

func init() {
	register(Bank, "every read of all accounts adds up to the same total", bank)
}

// bank checks logs of Transfer operations. A read of the bank is a
// transaction of Reads, one an account (Value is the balance), or a ReadList
// whose elements are the balances. The right total is that of most reads, the
// earliest of them where two are as many: it is invariant, so one read that
// differs is one too many either way. Reads that leave out accounts are not
// judged.
func bank(ctx context.Context, log *record.Log, _ Budget) (Report, error) {
	r := Report{Check: Bank, Guarantee: "every read of all accounts added up to the same total"}
	type read struct {
		index           int
		accounts, total int64
	}
	var reads []read
	var most int64
	transfers := 0
	p := poll{ctx: ctx}
	for i := range log.Ops {
		if err := p.stopped(); err != nil {
			return r, err
		}
		o := &log.Ops[i]
		if !judged(&log.Header, o) {
			continue
		}
		if o.Function == record.Transfer {
			transfers++
		}
		if accounts, total, ok := balances(o); ok {
			reads = append(reads, read{i, accounts, total})
			most = max(most, accounts)
		}
	}
	if transfers == 0 {
		return r, nil
	}
	count, first := map[int64]int{}, map[int64]int{}
	expected, found := int64(0), false
	for n, x := range reads {
		if x.accounts != most {
			continue
		}
		r.Checked++
		if count[x.total]++; count[x.total] == 1 {
			first[x.total] = n
		}
		if c, e := count[x.total], count[expected]; !found || c > e || c == e && first[x.total] < first[expected] {
			expected, found = x.total, true
		}
	}
	for _, x := range reads {
		if x.accounts != most || x.total == expected {
			continue
		}
		o := log.Ops[x.index]
		r.add(record.Finding{Name: "wrong total", From: o.Start, To: o.End,
			Witness: []record.Op{log.Ops[reads[first[expected]].index], o},
			Text:    fmt.Sprintf("a read of all %d accounts adds up to %d, %d others to %d", most, x.total, count[expected], expected)})
	}
	return r, nil
}

func balances(o *record.Op) (accounts, total int64, ok bool) {
	if o.Outcome != record.Ok {
		return 0, 0, false
	}
	switch o.Function {
	case record.ReadList:
		for _, v := range o.Values {
			total += v
		}
		return int64(len(o.Values)), total, len(o.Values) > 0
	case record.Transaction:
		for i := range o.Micro {
			m := &o.Micro[i]
			if m.Function != record.Read {
				return 0, 0, false
			}
			if m.Value != record.Absent {
				total += m.Value
			}
		}
		return int64(len(o.Micro)), total, len(o.Micro) > 0
	}
	return 0, 0, false
}
