package check_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

// A checker that runs short of memory says what it still promises; it never
// passes for what it did not look at.
func TestShortOfMemoryTheGuaranteeIsNamed(t *testing.T) {
	run := func(name string, log *record.Log, memory int64) (check.Report, error) {
		c, err := check.Lookup(name)
		require.NoError(t, err)
		return check.Run(context.Background(), c, log, check.Budget{Memory: memory})
	}
	t.Run("strict serializability loses real time first", func(t *testing.T) {
		log := simulateLists(1)
		inTurn(false, txn{push(x, 1)}, txn{list(x)}, txn{list(x, 1)})(nil, log)
		r, err := run(check.StrictSerializable, log, 1<<20)
		require.NoError(t, err)
		assert.Empty(t, r.Narrowed)
		assert.Equal(t, 1, r.Total, "a stale snapshot")

		r, err = run(check.StrictSerializable, log, 26_000)
		require.NoError(t, err)
		assert.Contains(t, r.Narrowed, "without the order of real time")
		assert.Contains(t, r.Guarantee, check.SessionSerializable)
		assert.Zero(t, r.Total)
	})
	t.Run("then keys", func(t *testing.T) {
		log := simulateLists(1)
		for key := uint64(200); key < 240; key++ {
			together(txn{push(key, 1), list(key, 1)}, txn{push(key, 2), list(key, 2)})(newSimulation(key).Rand, log)
		}
		r, err := run(check.ReadUncommitted, log, 20_000)
		require.NoError(t, err)
		assert.Contains(t, r.Narrowed, "one key in")
		assert.Positive(t, r.Total)
		assert.Less(t, r.Total, 40)
	})
	t.Run("linearizability leaves out the largest keys", func(t *testing.T) {
		log := simulateRegisters(3)
		for range 100 {
			insert(log, record.Op{Start: 1e9, End: 1e9 + 1, Process: 60, Function: record.Read, Key: 9, Value: record.Absent, Outcome: record.Ok})
		}
		r, err := run(check.LinearizableRegister, log, 12_000)
		require.NoError(t, err)
		assert.Contains(t, r.Guarantee, "3 of 4 registers")
		assert.NotEmpty(t, r.Narrowed)
		_, err = run(check.LinearizableRegister, log, 2_500)
		assert.ErrorIs(t, err, check.ErrBudget, "nothing checked is no answer")
	})
	t.Run("order keeps whole keys", func(t *testing.T) {
		r, err := run(check.Ordered, simulateQueues(1), 6_000)
		require.NoError(t, err)
		assert.Contains(t, r.Narrowed, "one key in")
	})
}

// A spent time budget is an error too, in every check.
func TestEveryCheckStopsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	// Enough operations for the checks that ask only now and then.
	log := &record.Log{Ops: make([]record.Op, 1<<17)}
	for i := range log.Ops {
		log.Ops[i] = record.Op{Start: record.Time(i), End: record.Time(i + 1), Function: record.Function(1 + i%15), Key: 1, Value: int64(i + 1), Outcome: record.Ok}
	}
	for _, name := range check.Names() {
		if name == check.SingleOwner {
			continue // events are few
		}
		c, err := check.Lookup(name)
		require.NoError(t, err)
		_, err = check.Run(ctx, c, log, check.Budget{})
		assert.ErrorIs(t, err, context.Canceled, name)
	}
}
