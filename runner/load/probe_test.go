package load

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/runner/record"
)

// The first good answer after an outage must not wait behind a queue of
// probes that fell due during it.
func TestProbeLeavesNoQueueBehindAnOutage(t *testing.T) {
	const from, stall = 200 * time.Millisecond, 300 * time.Millisecond
	var began time.Time
	running, connections := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if began.IsZero() {
			began = time.Now()
		}
		if at := time.Since(began); at >= from && at < from+stall {
			time.Sleep(from + stall - at)
		}
		fine(w, r)
	})
	log, stats := drive(t, Probe{Rate: 500}, running, time.Second)
	requireHistory(t, log)
	requireBalance(t, stats)
	assert.Len(t, log.Ops, 500)
	assert.Equal(t, int64(1), connections.Load(), "one kept connection")
	notSent := errorsOf(log, log.Ops)[NotSent]
	assert.GreaterOrEqual(t, notSent, 130, "what fell due during the outage was not sent")
	for _, op := range log.Ops {
		if op.Outcome == record.Ok {
			assert.LessOrEqual(t, op.Start.Sub(op.Intended), 100*time.Millisecond)
		}
	}
}

func TestCutOffMarksTheJudgedLanes(t *testing.T) {
	l := CutOff(Sets{Zone: "a"})
	lanes := l.Lanes()
	assert.True(t, lanes[0].CutOff)
	assert.False(t, lanes[1].CutOff, "the definitive read is evidence in any case")
	assert.NotEqual(t, Sets{Zone: "a"}.Describe(), l.Describe())
}
