package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/runner/record"
)

func TestHowLongADeadNodeWasStillSentRequests(t *testing.T) {
	at := func(ms int) record.Time { return record.Time(time.Duration(ms) * time.Millisecond) }
	believed := func(ms int, role string) record.Event {
		return record.Event{At: at(ms), Kind: record.EventBelief, Node: "service-1", Name: role}
	}
	other := record.Event{At: at(1100), Kind: record.EventBelief, Node: "service-2", Name: "unknown"}
	for name, c := range map[string]struct {
		events   []record.Event
		ok       bool
		censored bool
		value    float64
	}{
		"it leaves":                   {[]record.Event{believed(0, "primary"), other, believed(1250, "unknown")}, true, false, 0.25},
		"it leaves and returns":       {[]record.Event{believed(0, "primary"), believed(1250, "replica"), believed(3000, "primary"), believed(4000, "unknown")}, true, false, 0.25},
		"it never leaves":             {[]record.Event{believed(0, "primary"), other}, true, true, 4},
		"it had left before":          {[]record.Event{believed(0, "primary"), believed(500, "replica")}, false, false, 0},
		"it was never there":          {[]record.Event{other}, false, false, 0},
		"it had left, and came again": {[]record.Event{believed(0, "replica"), believed(1100, "primary"), believed(1300, "replica")}, true, false, 0.3},
	} {
		t.Run(name, func(t *testing.T) {
			a := &analysis{log: &record.Log{Events: c.events}, run: span{from: at(0), to: at(5000)},
				incidents: []record.Incident{{Marks: record.Marks{T0: at(1000)}}}}
			q := a.removed("service-1")
			assert.Equal(t, c.ok, q.ok)
			assert.Equal(t, c.censored, q.censored)
			assert.InDelta(t, c.value, q.value, 1e-9)
		})
	}
	assert.False(t, (&analysis{log: &record.Log{}}).removed("service-1").ok, "no fault, nothing to leave for")
}
