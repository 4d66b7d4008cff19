package check_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

// Where the log says what was paid in, even a total that all reads agree on
// can be wrong.
func TestTheBankOwesWhatWasPaidIn(t *testing.T) {
	h := newHistory()
	h.log.Header.Lanes[0].Evidence = true
	h.op(1, 0, 1, record.Transaction, 0, 0, record.Ok).Micro = txn{put(1, 100), put(2, 100)}
	h.op(1, 2, 3, record.Transfer, 1, 10, record.Ok).Expect = 2
	for at := 10.0; at < 50; at += 10 {
		h.op(2, at, at+1, record.Transaction, 0, 0, record.Ok).Micro = txn{get(1, 90), get(2, 100)}
	}
	r := judge(t, check.Bank, &h.log)
	assert.Equal(t, 4, r.Total)
	require.NotEmpty(t, r.Findings)
	assert.Contains(t, r.Findings[0].Text, "adds up to 190; 0 others, and the right total, to 200")

	h.log.Ops[0].Outcome = record.Info
	assert.Zero(t, judge(t, check.Bank, &h.log).Total, "nothing known, nothing accused")
}
