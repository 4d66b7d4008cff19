package load

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

// requireClean runs a check, which must have something to check and find
// nothing.
func requireClean(t *testing.T, log *record.Log, name string) {
	t.Helper()
	c, err := check.Lookup(name)
	require.NoError(t, err)
	report, err := check.Run(t.Context(), c, log, check.Budget{})
	require.NoError(t, err)
	assert.Positive(t, report.Checked)
	assert.Empty(t, report.Findings)
}

// The workloads against correct systems: the history must be complete, and
// the checks that read it must find nothing in it.

func TestListsFormACheckableHistory(t *testing.T) {
	for name, l := range map[string]Lists{
		"lists": {Rate: 2000, Keys: 5, Length: 20, Zones: []string{"a", "b"}}, "registers": {Rate: 2000, Registers: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStores()
			log, stats := drive(t, l, s, time.Second)
			requireHistory(t, log)
			assert.Equal(t, Stats{Intended: 2000, Ok: 2000}, stats)
			written := map[int64]bool{}
			appends, reads := 0, 0
			for _, op := range log.Ops {
				for _, m := range op.Micro {
					switch m.Function {
					case record.Append, record.Write:
						appends++
						require.False(t, written[m.Value], "values are unique")
						written[m.Value] = true
					case record.ReadList:
						reads++
						require.NotNil(t, m.Values)
					default:
						reads++
					}
				}
			}
			assert.InDelta(t, 2500, appends, 250)
			assert.InDelta(t, 2500, reads, 250)
			final := inLane(log, len(log.Header.Lanes)-1)
			assert.NotEmpty(t, final)
			for _, op := range final {
				if op.Function == record.ReadList {
					require.Equal(t, append([]int64{}, s.lists[op.Key]...), op.Values)
					require.Less(t, len(op.Values), 60, "lists stay short")
				}
			}
			requireClean(t, log, check.StrictSerializable)
		})
	}
}

func TestBankKeepsItsMoney(t *testing.T) {
	log, stats := drive(t, Bank{Rate: 2000, Accounts: 5, Balance: 100}, newStores(), time.Second)
	requireHistory(t, log)
	requireBalance(t, stats)
	setup := inLane(log, 1)
	require.Len(t, setup, 1)
	assert.Equal(t, record.Write, setup[0].Micro[0].Function)
	transfers, reads := 0, 0
	for _, op := range log.Ops {
		switch {
		case op.Function == record.Transfer:
			transfers++
			assert.NotEqual(t, op.Key, uint64(op.Expect))
			assert.Positive(t, op.Value)
		case op.Micro[0].Function == record.Read:
			reads++
			sum := int64(0)
			for _, m := range op.Micro {
				sum += m.Value
			}
			require.Equal(t, int64(500), sum)
		}
	}
	assert.InDelta(t, 1600, transfers, 100)
	assert.InDelta(t, 400, reads, 100)
	assert.Len(t, inLane(log, 2), 1, "the definitive read")
}

func TestQueuesAreDrained(t *testing.T) {
	s := newStores()
	log, _ := drive(t, Queues{Rate: 1000}, s, time.Second)
	requireHistory(t, log)
	in, out := map[int64]uint64{}, map[int64]uint64{}
	drained := map[uint64]int{}
	for _, op := range log.Ops {
		switch {
		case op.Function == record.Enqueue:
			in[op.Value] = op.Key
		case op.Value != record.Absent:
			out[op.Value] = op.Key
		case op.Lane == 2:
			drained[op.Key]++
		}
	}
	assert.Len(t, in, 1000)
	assert.Equal(t, in, out)
	assert.Len(t, drained, 4)
	assert.True(t, log.Header.Lanes[1].Evidence)
	ledger, _ := check.Durability(log)
	assert.True(t, ledger.Definitive)
	assert.Equal(t, 1000, ledger.Present)
	assert.Zero(t, ledger.Lost+ledger.Duplicates+ledger.Phantoms)
}

func TestDeliveryWithoutAcknowledgementIsRecorded(t *testing.T) {
	c := queueClient{halfDelivered{}}
	op := record.Op{Function: record.Dequeue}
	err := c.Invoke(t.Context(), &op)
	settle(&op, err)
	assert.Equal(t, record.Info, op.Outcome)
	assert.Equal(t, int64(9), op.Value)
}

type halfDelivered struct{}

func (halfDelivered) Enqueue(context.Context, uint64, int64) error { return nil }
func (halfDelivered) Dequeue(context.Context, uint64) (int64, bool, error) {
	return 9, true, errors.New("acknowledge: reset")
}
func (halfDelivered) Close() error { return nil }

func TestLocksAreTakenAndGivenBack(t *testing.T) {
	log, _ := drive(t, Locks{Rate: 1000, Locks: 3}, newStores(), time.Second)
	requireHistory(t, log)
	holder := map[uint64]uint32{}
	tokens := map[uint64]int64{}
	taken := 0
	for _, op := range log.Ops {
		if op.Outcome != record.Ok {
			assert.Equal(t, string(errLockHeld), log.Errors[op.Error])
			continue
		}
		switch op.Function {
		case record.Acquire:
			taken++
			assert.Greater(t, op.Value, int64(0))
			tokens[op.Key] = max(tokens[op.Key], op.Value)
			holder[op.Key] = op.Process
		case record.Release:
			delete(holder, op.Key)
		}
	}
	assert.Greater(t, taken, 200)
	requireClean(t, log, check.LinearizableLock)
}

func TestSessionsReadTheirOwnWrites(t *testing.T) {
	log, stats := drive(t, Sessions{Rate: 900, Clients: 6}, newFake(), time.Second)
	requireHistory(t, log)
	assert.Equal(t, Stats{Intended: 900, Ok: 900}, stats)
	last := map[uint32]record.Op{}
	writes := 0
	for _, op := range inLane(log, 0) {
		if op.Function == record.Write {
			writes++
			last[op.Process] = op
			continue
		}
		require.Equal(t, last[op.Process].Value, op.Value, "every session reads what it wrote")
		require.Equal(t, last[op.Process].Key, op.Key)
	}
	assert.InDelta(t, 300, writes, 6)
	assert.Len(t, inLane(log, 1), 6)
}

func TestJobsWaitForTheirEffects(t *testing.T) {
	s := newStores()
	s.pending = 2
	log, _ := drive(t, Jobs{Rate: 500}, s, 200*time.Millisecond)
	requireHistory(t, log)
	jobs := map[uint64]int{}
	for _, op := range inLane(log, 0) {
		jobs[uint64(op.Value)]++
	}
	effects := inLane(log, 1)
	assert.Len(t, effects, 100)
	for i, op := range effects {
		assert.Equal(t, record.Effect, op.Function)
		assert.Equal(t, int64(7), op.Value)
		assert.Equal(t, s.effects[i].Job, op.Key, "in the order in which they were made")
		jobs[op.Key]--
	}
	for job, n := range jobs {
		assert.Zero(t, n, "job %d", job)
	}
}

func TestEachWorkloadNamesWhatItMisses(t *testing.T) {
	for want, l := range map[string]Load{
		"harness.TransactionStore": Lists{}, "harness.BankStore": Bank{}, "harness.QueueStore": Queues{},
		"harness.LockStore": Locks{}, "harness.JobRunner": Jobs{}, "harness.RegisterStore": Sessions{},
	} {
		b := newBench(t)
		_, err := l.Open(t.Context(), b.target(bare{}))
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, l.Describe(), "%!")
		assert.NotEmpty(t, l.Lanes())
		b.log()
	}
}
