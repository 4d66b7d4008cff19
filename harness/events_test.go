package harness

import (
	"testing"

	"github.com/moby/moby/api/types/events"
	"github.com/stretchr/testify/assert"
)

func occurred(at int64, container string, action events.Action) events.Message {
	return events.Message{Action: action, Actor: events.Actor{ID: container}, TimeNano: at}
}

// Containers started side by side: the engine stamps their events and then
// publishes them in any order. An event that arrives late is not an old one.
func TestEventsThatArriveOutOfOrderAreAllHeard(t *testing.T) {
	var seen heard
	assert.True(t, seen.first(occurred(20, "b", events.ActionStart)))
	assert.True(t, seen.first(occurred(10, "a", events.ActionStart)))
	assert.True(t, seen.first(occurred(20, "c", events.ActionStart)), "the same instant, another container")
	assert.True(t, seen.first(occurred(20, "b", events.ActionDie)), "the same instant, another event")
	assert.EqualValues(t, 20, seen.newest)
}

func TestEventsThatTheEngineReplaysAreHeardOnce(t *testing.T) {
	var seen heard
	overlap := eventsOverlap.Nanoseconds()
	for at := range int64(10) {
		assert.True(t, seen.first(occurred(at*overlap/4, "a", events.ActionStart)))
	}
	for at := range int64(10) {
		if at*overlap/4 >= seen.newest-overlap {
			assert.False(t, seen.first(occurred(at*overlap/4, "a", events.ActionStart)))
		}
	}
	assert.LessOrEqual(t, len(seen.recent), 9, "what no subscription brings again is forgotten")
}
