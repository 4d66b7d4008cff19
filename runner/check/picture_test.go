package check_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

func TestAWitnessIsDrawnOnATimeline(t *testing.T) {
	h := newHistory()
	h.op(1, 0, 10, record.Write, 7, 1, record.Ok)
	h.op(2, 20, 30, record.Write, 7, 2, record.Ok)
	h.op(3, 25, 26, record.Write, 7, 3, record.Info)
	h.op(4, 40, 50, record.Read, 7, 1, record.Ok)
	assert.Equal(t, `process 1  write 7=1 ok    ├───┤                            0.000000..0.010000 s
process 2  write 7=2 ok            ├───────────┤            0.020000..0.030000 s
process 3  write 7=3 info              ├┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄>  0.025000..0.026000 s
process 4  read 7=1 ok                             ├───┤    0.040000..0.050000 s
`, check.Timeline(h.log.Ops))

	r := judge(t, check.LinearizableRegister, &h.log)
	require.Len(t, r.Findings, 1)
	assert.Len(t, r.Findings[0].Witness, 3, "the write of unknown outcome plays no part")
	assert.Equal(t, "register 7: value 1 and value 2 must each come before the other: write of 1 ended at 0.010000 s, "+
		"before write of 2 began at 0.020000 s, but write of 2 ended at 0.030000 s, before read of 1 began at 0.040000 s",
		r.Findings[0].Text)
}

func TestACycleIsDrawnWithItsReasons(t *testing.T) {
	h := newHistory()
	h.op(1, 0, 10, record.Transaction, 0, 0, record.Ok).Micro = txn{list(1), push(2, 5)}
	h.op(2, 1, 11, record.Transaction, 0, 0, record.Ok).Micro = txn{list(2), push(1, 6)}
	r := judge(t, check.Serializable, &h.log)
	require.Len(t, r.Findings, 1)
	assert.Equal(t, "G2-item", r.Findings[0].Name)
	assert.Equal(t, `T1  process 1  {read 1 = [], append 2 5} ok  0.000000..0.010000 s
 │  rw on 1: T1 read it without 6, which T2 wrote
 ▼
T2  process 2  {read 2 = [], append 1 6} ok  0.001000..0.011000 s
 │  rw on 2: T2 read it without 5, which T1 wrote
 ▼
T1
`, r.Findings[0].Picture)
	assert.Empty(t, judge(t, check.SnapshotIsolation, &h.log).Findings, "write skew is legal there")
}
