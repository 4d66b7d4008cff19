package protect

import (
	"fmt"
	"regexp"
)

// Event is a change of a circuit breaker's state: "closed", "open" or
// "half-open".
type Event struct {
	Route, Instance string
	From, To        string
}

// String is how an event stands in a log.
func (e Event) String() string {
	return fmt.Sprintf("breaker of route %s at %s: %s -> %s", e.Route, e.Instance, e.From, e.To)
}

var eventPattern = regexp.MustCompile(`breaker of route (\S+) at (\S+): (\S+) -> (\S+)$`)

// ParseEvent reads the event at the end of a log line.
func ParseEvent(line string) (Event, bool) {
	m := eventPattern.FindStringSubmatch(line)
	if m == nil {
		return Event{}, false
	}
	return Event{Route: m[1], Instance: m[2], From: m[3], To: m[4]}, true
}
