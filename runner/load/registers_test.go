package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

func TestRegistersWriteUniqueValuesAndReadThemBack(t *testing.T) {
	f := newFake()
	l := Registers{Rate: 2000, Keys: 10, Writes: 0.25, CompareAndSet: 0.1}
	log, stats := drive(t, l, f, time.Second)
	requireHistory(t, log)
	requireBalance(t, stats)
	require.Len(t, inLane(log, 0), 2000)
	require.Len(t, inLane(log, 1), 200)

	seen, writes := map[int64]bool{}, 0
	for _, op := range log.Ops {
		if op.Function == record.Write || op.Function == record.CompareAndSet {
			assert.False(t, seen[op.Value], "values are unique")
			seen[op.Value] = true
		}
		if op.Function == record.Write {
			writes++
		}
	}
	assert.InDelta(t, 500, writes, 80)
	for _, op := range inLane(log, 0) {
		assert.Equal(t, record.Ok, op.Outcome)
		if op.Function == record.Read && op.Value != record.Absent {
			assert.True(t, seen[op.Value])
		}
	}
	swapped := 0
	for _, op := range inLane(log, 1) {
		if op.Outcome == record.Ok {
			assert.True(t, seen[op.Expect])
			swapped++
		}
	}
	assert.Greater(t, swapped, 100)

	final := inLane(log, 2)
	require.Len(t, final, 10)
	for _, op := range final {
		assert.Equal(t, record.Read, op.Function)
		assert.Equal(t, f.registers[op.Key], op.Value)
	}
}

func TestSameSeedAsksForTheSame(t *testing.T) {
	asked := func() (ops []record.Op) {
		log, _ := drive(t, Registers{Rate: 500}, newFake(), 200*time.Millisecond)
		for _, op := range inLane(log, 0) {
			if op.Function == record.Read {
				op.Value = 0
			}
			ops = append(ops, record.Op{Function: op.Function, Key: op.Key, Value: op.Value})
		}
		return ops
	}
	assert.Equal(t, asked(), asked())
}

func TestCombinedLoadsShareNothing(t *testing.T) {
	f := newFake()
	running, _ := serve(t, fine)
	l := Combine(CutOff(Combine(Sets{Rate: 200, Zone: "a"}, Sets{Rate: 100, Zone: "a"})), Combine(Sets{Rate: 50}, HTTP{Rate: 100, URL: running.url}))
	lanes := l.Lanes()
	names := make([]string, len(lanes))
	for i, lane := range lanes {
		names[i] = lane.Name
	}
	assert.Equal(t, []string{"sets@a", "sets/read-back", "sets@a#2", "sets/read-back#2", "sets", "sets/read-back#3", "http/pooled", "http/fresh"}, names)

	log, stats := drive(t, l, f, 500*time.Millisecond)
	requireHistory(t, log) // a process does one thing at a time over all lanes
	assert.Equal(t, Stats{Intended: 225, Ok: 225}, stats)
	keys := map[uint64]uint8{}
	for i, want := range []int{100, 16, 50, 16, 25, 16, 25, 25} {
		ops := inLane(log, i)
		assert.Len(t, ops, want, names[i])
		for _, op := range ops {
			if op.Function == record.Request {
				continue
			}
			lane, used := keys[op.Key]
			assert.True(t, !used || lane/2 == op.Lane/2, "key %d is in lanes %d and %d", op.Key, lane, op.Lane)
			keys[op.Key] = op.Lane
		}
	}
}
