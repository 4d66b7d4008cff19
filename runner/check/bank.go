package check

import (
	"context"
	"fmt"

	"github.com/hadrill/hadrill/runner/record"
)

// Bank is the name of the check that money is neither made nor lost: every
// read of all accounts has the same total, and none shows a debt.
const Bank = "bank"

func init() {
	register(Bank, "every read of all accounts adds up to the same total, and no balance is negative", bank)
}

// bank checks logs of Transfer operations. A read of the bank is a
// transaction of Reads, one an account (Value is the balance), or a ReadList
// whose elements are the balances. The right total is what was paid in: the
// sum of a transaction of Writes in an evidence lane. Where the log does not
// say, it is that of most reads, the earliest of them where two are as many.
// Reads that leave out accounts have no known total. No balance may be
// negative.
func bank(ctx context.Context, log *record.Log, _ Budget) (Report, error) {
	r := Report{Check: Bank, Guarantee: "every read of all accounts added up to the same total, and no balance was negative"}
	type read struct {
		index           int
		accounts, total int64
	}
	var reads []read
	var most int64
	transfers := 0
	var paidIn int64
	known := false
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
		if sum, ok := paid(&log.Header, o); ok {
			paidIn, known = sum, true
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
	if known {
		expected = paidIn
	}
	for _, x := range reads {
		o := log.Ops[x.index]
		if x.accounts == most && x.total != expected {
			f := record.Finding{Name: "wrong total", From: o.Start, To: o.End, Witness: []record.Op{o},
				Text: fmt.Sprintf("a read of all %d accounts adds up to %d; %d others, and the right total, to %d", most, x.total, count[expected], expected)}
			if n, ok := first[expected]; ok {
				f.Witness = []record.Op{log.Ops[reads[n].index], o}
			}
			r.add(f)
		}
		if account, balance, ok := overdrawn(&o); ok {
			r.add(record.Finding{Name: "negative balance", From: o.Start, To: o.End, Witness: []record.Op{o},
				Text: fmt.Sprintf("account %d was read as %d", account, balance)})
		}
	}
	return r, nil
}

// paid returns what a set-up transaction paid into the bank.
func paid(h *record.Header, o *record.Op) (sum int64, ok bool) {
	if o.Function != record.Transaction || o.Outcome != record.Ok || int(o.Lane) >= len(h.Lanes) || !h.Lanes[o.Lane].Evidence || len(o.Micro) == 0 {
		return 0, false
	}
	for i := range o.Micro {
		if o.Micro[i].Function != record.Write {
			return 0, false
		}
		sum += o.Micro[i].Value
	}
	return sum, true
}

func overdrawn(o *record.Op) (account uint64, balance int64, ok bool) {
	for i, v := range o.Values {
		if v < 0 {
			return uint64(i), v, true
		}
	}
	for i := range o.Micro {
		if v := o.Micro[i].Value; v < 0 && v != record.Absent {
			return o.Micro[i].Key, v, true
		}
	}
	return 0, 0, false
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
