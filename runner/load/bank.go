package load

import (
	"context"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Bank transfers money between accounts and reads all balances in one
// transaction. Money is neither made nor lost, so every such read must add up
// to what was paid in, and no balance may be negative. It needs
// harness.BankStore of the system.
//
// In the history, paying in is a Transaction of Writes, in the lane
// "bank/setup"; a transfer is a Transfer; a read of all balances is a
// Transaction of Reads, one an account.
type Bank struct {
	Rate     float64       // transfers and reads a second; default 500
	Accounts int           // default 10
	Balance  int64         // paid into each account; default 1000
	Reads    float64       // share of reads of all balances, 0..1; default 0.2
	Schedule Schedule      // instead of Rate
	Clients  int           // virtual users; default by Rate and Timeout, 8..64
	Timeout  time.Duration // deadline of a transaction; default 1 s
	Zone     string        // client zone; "" is the data network
	Zones    []string      // client zones that share the rate and the accounts, instead of Zone
}

var _ Load = Bank{}

// largestTransfer bounds the amount of a transfer; amounts are 1 to so many.
const largestTransfer = 5

func (k Bank) work() work {
	n := uint64(max(or(k.Accounts, 10), 2))
	balance := k.Balance
	if balance <= 0 {
		balance = 1000
	}
	reads := or(k.Reads, 0.2)
	all := func(base uint64, f record.Function, value int64) record.Op {
		op := record.Op{Function: record.Transaction, Micro: make([]record.Micro, n)}
		for i := range op.Micro {
			op.Micro[i] = record.Micro{Function: f, Key: base + uint64(i), Value: value}
		}
		return op
	}
	return work{
		name:   "bank",
		params: fmt.Sprintf("accounts=%d balance=%d reads=%g", n, balance, reads),
		streams: []stream{{plan: func(at slot, i uint64, op *record.Op) {
			random := at.random(i)
			if float64(random&(1<<20-1)) < reads*(1<<20) {
				read := all(at.key, record.Read, 0)
				op.Function, op.Micro = read.Function, read.Micro
				return
			}
			from := random >> 20 & (1<<20 - 1) % n
			to := (from + 1 + random>>40%(n-1)) % n
			op.Function, op.Key, op.Expect = record.Transfer, at.key+from, int64(at.key+to)
			op.Value = int64(1 + mix(random, 0)%largestTransfer)
		}}},
		connect: capability("BankStore", "keeps no accounts", func(ctx context.Context, store harness.BankStore, from harness.Vantage) (Client, error) {
			c, err := store.OpenBank(ctx, from)
			return bankClient{c}, err
		}),
		setup: func(ctx context.Context, b *back) error {
			return b.perform(ctx, all(b.target.KeyBase, record.Write, balance))
		},
		readBack: func(ctx context.Context, b *back) error {
			return b.perform(ctx, all(b.target.KeyBase, record.Read, 0))
		},
	}.common(k.Rate, k.Schedule, k.Clients, or(k.Timeout, time.Second), k.Zone, k.Zones)
}

// Describe implements Load.
func (k Bank) Describe() string { return k.work().Describe() }

// Lanes implements Load: one a zone, the setup, the definitive read.
func (k Bank) Lanes() []record.Lane { return k.work().Lanes() }

// Open implements Load: it also pays in.
func (k Bank) Open(ctx context.Context, t Target) (Session, error) { return k.work().Open(ctx, t) }

// bankClient is a Client of accounts.
type bankClient struct{ harness.BankClient }

func (c bankClient) Invoke(ctx context.Context, op *record.Op) error {
	if op.Function == record.Transfer {
		return c.Transfer(ctx, op.Key, uint64(op.Expect), op.Value)
	}
	accounts := make([]uint64, len(op.Micro))
	for i, m := range op.Micro {
		accounts[i] = m.Key
	}
	if op.Micro[0].Function == record.Write {
		return c.Create(ctx, accounts, op.Micro[0].Value)
	}
	balances, err := c.Balances(ctx, accounts)
	if err != nil {
		return err
	}
	if len(balances) != len(accounts) {
		return fmt.Errorf("read %d accounts, got %d balances", len(accounts), len(balances))
	}
	micro := make([]record.Micro, len(accounts))
	for i := range micro {
		micro[i] = record.Micro{Function: record.Read, Key: accounts[i], Value: balances[i]}
	}
	op.Micro = micro
	return nil
}
