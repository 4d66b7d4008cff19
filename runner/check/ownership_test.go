package check

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

func TestOwnershipIsMeasuredFromBeliefs(t *testing.T) {
	at := func(ms int) record.Time { return record.Time(time.Duration(ms) * time.Millisecond) }
	says := func(ms int, node, role string) record.Event {
		return record.Event{At: at(ms), Kind: record.EventBelief, Node: node, Name: role}
	}
	healed := record.Event{At: at(1000), Kind: record.EventPhase, Name: record.PhaseHeal}
	for name, c := range map[string]struct {
		events []record.Event
		want   *record.Ownership
	}{
		"nobody ever": {[]record.Event{says(0, "a", "replica"), healed}, nil},
		"one all the time": {[]record.Event{says(0, "a", "primary"), says(0, "b", "replica"), healed},
			&record.Ownership{Claims: 1}},
		"a gap between two": {[]record.Event{says(0, "a", "primary"), says(0, "b", "replica"), says(300, "a", "unknown"), says(700, "b", "primary"), healed},
			&record.Ownership{Claims: 2, Gap: 0.4}},
		"a gap until the end": {[]record.Event{says(0, "a", "primary"), says(300, "a", "unknown"), healed, says(1500, "a", "primary")},
			&record.Ownership{Claims: 2, Gap: 0.7}},
		"two at once": {[]record.Event{says(0, "a", "primary"), says(300, "b", "primary"), says(500, "a", "primary"), says(800, "a", "replica"), healed},
			&record.Ownership{Claims: 2, Overlap: 0.5}},
	} {
		t.Run(name, func(t *testing.T) {
			log := &record.Log{Events: c.events}
			got := Ownership(log)
			if c.want == nil {
				require.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			require.Equal(t, c.want.Claims, got.Claims)
			require.InDelta(t, c.want.Gap, got.Gap, 1e-9)
			require.InDelta(t, c.want.Overlap, got.Overlap, 1e-9)
		})
	}
}
