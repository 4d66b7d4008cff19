package check_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

func TestSetLedgerBalancesEveryFate(t *testing.T) {
	h := newHistory()
	h.op(1, 0, 1, record.Add, 1, 10, record.Ok)     // present
	h.op(1, 2, 3, record.Add, 1, 11, record.Ok)     // lost
	h.op(1, 4, 5, record.Add, 1, 12, record.Info)   // recovered
	h.op(1, 6, 7, record.Add, 1, 13, record.Info)   // absent by right
	h.op(1, 8, 9, record.Add, 1, 14, record.Fail)   // resurrected
	h.op(1, 10, 11, record.Add, 1, 15, record.Ok)   // duplicated
	h.op(1, 30, 33, record.Add, 1, 16, record.Ok)   // lost, after the fault
	h.op(1, 34, 35, record.Add, 1, 17, record.Fail) // absent by right
	h.definitive(100, record.ReadSet, 1, 10, 12, 14, 15, 15, 99)
	h.fault("kill", "a", 20)

	l, found := check.Durability(&h.log)
	assert.Equal(t, 4, l.Acknowledged)
	assert.Equal(t, 2, l.Present)
	assert.Equal(t, 2, l.Lost)
	assert.Equal(t, 2, l.Unknown)
	assert.Equal(t, 1, l.Recovered)
	assert.Equal(t, 2, l.Refused)
	assert.Equal(t, 1, l.Resurrected)
	assert.Equal(t, 1, l.Duplicates)
	assert.Equal(t, 1, l.Phantoms)
	assert.True(t, l.Definitive)
	assert.InDelta(t, 0.017, l.RPOSeconds, 1e-9, "t0 20 ms, earliest lost acknowledged at 3 ms")
	assert.InDelta(t, 0.013, l.SplitBrain, 1e-9, "latest lost acknowledged at 33 ms")
	assert.Equal(t, 4, l.InWindow)
	require.NotNil(t, l.Over)
	sum := func(counts []int32) (n int) {
		for _, c := range counts {
			n += int(c)
		}
		return n
	}
	assert.Equal(t, 2, sum(l.Over.Kept))
	assert.Equal(t, 2, sum(l.Over.Lost), "every lost write is in the ledger over time")
	assert.Equal(t, 2, sum(l.Over.Unknown))
	assert.Equal(t, 1, sum(l.Over.Duplicates))
	assert.EqualValues(t, 1, l.Over.Lost[len(l.Over.Lost)-1], "the last acknowledgement was of a lost write")
	require.Len(t, l.FirstLost, 2)
	assert.EqualValues(t, 11, l.FirstLost[0].Value, "earliest acknowledgement first")
	require.Len(t, found, 2)
	assert.Equal(t, "lost write", found[0].Name)
	assert.Equal(t, check.NoLostWrites, found[0].Check)
	assert.Contains(t, found[0].Text, "add 1=11 ok was acknowledged at 0.003000 s (17ms before the fault)")
	assert.Contains(t, found[0].Picture, "read-set")
}

func TestWhatNoDefinitiveReadCoversIsNotJudged(t *testing.T) {
	h := newHistory()
	h.op(1, 0, 1, record.Add, 1, 10, record.Ok)
	h.op(1, 2, 3, record.Add, 2, 10, record.Ok)
	h.definitive(100, record.ReadSet, 1, 10)
	h.op(9, 101, 102, record.ReadSet, 2, 0, record.Ok) // not in the definitive lane
	l, _ := check.Durability(&h.log)
	assert.False(t, l.Definitive, "set 2 was written and not read")
	assert.Zero(t, l.Lost)

	c, err := check.Lookup(check.NoLostWrites)
	require.NoError(t, err)
	_, err = check.Run(context.Background(), c, &h.log, check.Budget{})
	assert.ErrorIs(t, err, check.ErrNotDefinitive)
}

func TestTheControlLaneIsNeverJudged(t *testing.T) {
	h := newHistory()
	h.op(1, 0, 1, record.Add, 1, 10, record.Ok).Lane = 1
	h.definitive(100, record.ReadSet, 1)
	l, _ := check.Durability(&h.log)
	assert.Zero(t, l.Acknowledged)
	assert.False(t, l.Definitive, "nothing written is nothing proven")
}

func TestQueueLedger(t *testing.T) {
	base := func() *history {
		h := newHistory()
		for v := int64(1); v <= 5; v++ {
			h.op(1, float64(v), float64(v)+0.5, record.Enqueue, 7, v, record.Ok)
		}
		h.op(2, 10, 11, record.Dequeue, 7, 1, record.Ok)
		h.op(2, 12, 13, record.Dequeue, 7, 2, record.Ok)
		h.op(2, 14, 15, record.Dequeue, 7, 2, record.Ok)
		h.op(3, 16, 17, record.Dequeue, 7, 3, record.Info) // in hand, acknowledgement unknown
		return h
	}
	t.Run("drained", func(t *testing.T) {
		h := base()
		h.definitive(50, record.Dequeue, 7, 5)
		h.definitive(52, record.Dequeue, 7, record.Absent)
		l, _ := check.Durability(&h.log)
		assert.True(t, l.Definitive)
		assert.Equal(t, 1, l.Lost)
		assert.EqualValues(t, 4, l.FirstLost[0].Value)
		assert.Equal(t, 1, l.Duplicates)
		assert.Equal(t, 4, l.Present)
	})
	t.Run("not drained", func(t *testing.T) {
		l, _ := check.Durability(&base().log)
		assert.False(t, l.Definitive)
		assert.Zero(t, l.Lost)
	})
	t.Run("a dequeue of unknown outcome may have taken one", func(t *testing.T) {
		h := base()
		h.op(4, 18, 19, record.Dequeue, 7, record.Absent, record.Info)
		h.definitive(52, record.Dequeue, 7, record.Absent)
		l, _ := check.Durability(&h.log)
		assert.Equal(t, 1, l.Lost, "two are missing, one is excused")
		assert.EqualValues(t, 5, l.FirstLost[0].Value)
	})
}

func TestRegisterLedger(t *testing.T) {
	t.Run("one write a key", func(t *testing.T) {
		h := newHistory()
		for k := uint64(1); k <= 3; k++ {
			h.op(1, float64(k), float64(k)+0.5, record.Write, k, int64(100+k), record.Ok)
		}
		h.definitive(50, record.Read, 1, 101)
		h.definitive(51, record.Read, 2, record.Absent)
		h.definitive(52, record.Read, 3, 777)
		l, _ := check.Durability(&h.log)
		assert.Equal(t, 2, l.Lost)
		assert.Equal(t, 1, l.Present)
		assert.Equal(t, 1, l.Phantoms)
		assert.True(t, l.Definitive)
	})
	t.Run("overwritten is not lost, rolled back is", func(t *testing.T) {
		h := newHistory()
		h.op(1, 0, 1, record.Write, 1, 1, record.Ok)
		h.op(1, 2, 3, record.Write, 1, 2, record.Ok)
		h.op(2, 2.5, 4, record.Write, 1, 3, record.Ok) // concurrent with the survivor
		h.op(1, 5, 6, record.Write, 1, 4, record.Ok)
		h.definitive(50, record.Read, 1, 2)
		l, _ := check.Durability(&h.log)
		assert.Equal(t, 1, l.Lost)
		assert.EqualValues(t, 4, l.FirstLost[0].Value)
	})
	t.Run("a survivor of unknown outcome accuses nobody", func(t *testing.T) {
		h := newHistory()
		h.op(1, 0, 1, record.Write, 1, 1, record.Info)
		h.op(2, 2, 3, record.Write, 1, 2, record.Ok)
		h.definitive(50, record.Read, 1, 1)
		l, _ := check.Durability(&h.log)
		assert.Zero(t, l.Lost)
		assert.Equal(t, 1, l.Recovered)
	})
}

func TestListsInsideTransactionsAreBalanced(t *testing.T) {
	h := newHistory()
	for v := int64(1); v <= 3; v++ {
		h.op(1, float64(v), float64(v)+0.5, record.Transaction, 0, 0, record.Ok).Micro = []record.Micro{{Function: record.Append, Key: 4, Value: v}}
	}
	o := h.op(1, 90, 91, record.Transaction, 0, 0, record.Ok)
	o.Lane, o.Micro = 2, []record.Micro{{Function: record.ReadList, Key: 4, Values: []int64{1, 3}}}
	l, _ := check.Durability(&h.log)
	assert.True(t, l.Definitive)
	assert.Equal(t, 1, l.Lost)
	assert.Equal(t, 2, l.Present)
}

func TestASmallMemoryBudgetNarrowsTheGuaranteeAndSaysSo(t *testing.T) {
	h := newHistory()
	var kept []int64
	for v := int64(1); v <= 4000; v++ {
		h.op(1, float64(v), float64(v)+0.5, record.Add, 1, v, record.Ok)
		if v%2 == 0 {
			kept = append(kept, v)
		}
	}
	h.definitive(9000, record.ReadSet, 1, kept...)
	c, err := check.Lookup(check.NoLostWrites)
	require.NoError(t, err)
	r, err := check.Run(context.Background(), c, &h.log, check.Budget{Memory: 100 << 10})
	require.NoError(t, err)
	assert.NotEmpty(t, r.Narrowed)
	assert.Less(t, r.Checked, 2500)
	assert.InDelta(t, float64(r.Checked)/2, float64(r.Total), float64(r.Checked)/8, "half are lost, of the sample too")
	assert.Len(t, r.Findings, check.MaxFindings)
}

func TestPanicAndSpentBudgetAreErrors(t *testing.T) {
	boom := check.New("boom", "", func(context.Context, *record.Log, check.Budget) (check.Report, error) { panic("x") })
	_, err := check.Run(context.Background(), boom, &record.Log{}, check.Budget{})
	assert.ErrorContains(t, err, "panicked: x")

	slow := check.New("slow", "", func(ctx context.Context, _ *record.Log, _ check.Budget) (check.Report, error) {
		<-ctx.Done()
		return check.Report{}, context.Cause(ctx)
	})
	_, err = check.Run(context.Background(), slow, &record.Log{}, check.Budget{Time: 1})
	assert.ErrorIs(t, err, check.ErrBudget)
	_, err = check.Lookup("no such check")
	assert.ErrorContains(t, err, "single-owner")
}
