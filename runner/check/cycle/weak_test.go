package cycle

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// weak is the store of the benchmark with reads that may lag by a few
// elements: nearly every transaction is in one large component.
func weak(n int) []record.Op {
	var s serial
	ops := make([]record.Op, n)
	for i := range ops {
		ops[i] = s.op()
		ops[i].Micro = slices.Clone(ops[i].Micro)
		for j := range ops[i].Micro {
			first := !slices.ContainsFunc(ops[i].Micro[:j], func(m record.Micro) bool { return m.Key == ops[i].Micro[j].Key })
			if m := &ops[i].Micro[j]; m.Function == record.ReadList && first && s.random(4) == 0 {
				m.Values = m.Values[:uint64(len(m.Values))-min(uint64(len(m.Values)), s.random(4))]
			}
		}
	}
	return ops
}

func TestALargeComponentIsSearchedWithinBounds(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 4_000
	}
	ops := weak(n)
	begun := time.Now()
	res := analyse(t, ops, Options{Process: true, Realtime: true})
	t.Logf("%d transactions in %v: %v", n, time.Since(begun), res.Counts)
	assert.Positive(t, res.Counts[GSingle])
	for _, a := range res.Anomalies {
		assert.LessOrEqual(t, len(a.Witness), 6, a.Name)
	}
	assert.Less(t, time.Since(begun), 2*time.Minute)
}

// When the work runs out, what is known is still said, and that there may be
// more.
func TestOutOfWorkACycleIsStillACycle(t *testing.T) {
	res := analyse(t, weak(2000), Options{Realtime: true, Work: 1})
	assert.NotEmpty(t, res.Incomplete)
	assert.NotEmpty(t, res.Anomalies)
}

func TestAnalysisStopsWhenToldTo(t *testing.T) {
	ops := weak(5000)
	h := NewHistory(1, func(i int) record.Op { return ops[i] })
	for i := range ops {
		h.Add(i, &ops[i])
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := h.Check(ctx, Options{})
	require.ErrorIs(t, err, context.Canceled)
}

// Two transactions that may both have written a value leave nobody to blame:
// the object is left out, and that is said.
func TestRepeatedValuesAreLeftOut(t *testing.T) {
	ops := []record.Op{
		{Function: record.Append, Key: 1, Value: 5, Outcome: record.Ok},
		{Function: record.Append, Key: 1, Value: 5, Outcome: record.Info},
		{Function: record.ReadList, Key: 1, Values: []int64{5}, Outcome: record.Ok},
	}
	res := analyse(t, ops, Options{Realtime: true})
	assert.Empty(t, res.Anomalies)
	assert.Contains(t, res.Incomplete, "because their values repeat: 1")
}
