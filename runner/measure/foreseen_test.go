package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/runner/record"
)

func TestHowLongBeforeItBitAFailureWasDeclared(t *testing.T) {
	at := func(ms int) record.Time { return record.Time(time.Duration(ms) * time.Millisecond) }
	declared := func(ms int) record.Event { return record.Event{At: at(ms), Kind: record.EventDeclared} }
	failing := []record.Op{
		{Intended: at(1000), End: at(9000), Outcome: record.Ok}, // late, and good in the end
		{Intended: at(2000), Lane: 1, Outcome: record.Fail},     // of a lane that is not judged
		{Intended: at(4000), Outcome: record.Fail},
		{Intended: at(4500), Outcome: record.Fail},
	}
	for name, c := range map[string]struct {
		ops    []record.Op
		events []record.Event
		ok     bool
		value  float64
	}{
		"in time":                    {failing, []record.Event{declared(2500)}, true, 1.5},
		"the last word counts":       {failing, []record.Event{declared(1500), declared(3000)}, true, 1},
		"too late":                   {failing, []record.Event{declared(4100)}, true, 0},
		"of the time before":         {failing, []record.Event{declared(500)}, true, 0},
		"nobody said a word":         {failing, nil, true, 0},
		"nothing happened after all": {failing[:2], []record.Event{declared(2500)}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := &analysis{log: &record.Log{Events: c.events}, ops: c.ops, judged: []bool{true, false}, run: span{from: at(1000), to: at(5000)}}
			q := a.foreseen()
			assert.Equal(t, c.ok, q.ok)
			assert.InDelta(t, c.value, q.value, 1e-9)
		})
	}
}
