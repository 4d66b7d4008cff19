package harness

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

const (
	eventsPause = 200 * time.Millisecond
	// eventsOverlap is how far before the newest event heard a new subscription
	// begins. The engine stamps an event before it stands in line to publish it,
	// so that events of containers started side by side arrive out of order.
	eventsOverlap = 5 * time.Second
)

// watchEvents subscribes to the engine's word on this run's containers, before
// the first is started, and hears it until the Env ends.
func (e *Env) watchEvents(ctx context.Context) error {
	// The engine answers a subscription a moment before it listens: only one
	// that begins in the past has heard whatever is started from now on.
	began := time.Now().UnixNano()
	stream := e.subscribe(began)
	// A refused subscription answers at once; a good one only when something happens.
	select {
	case err := <-stream.Err:
		return fmt.Errorf("subscribe to the engine's events: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	e.events.Add(1)
	go e.hearEvents(stream, began)
	return nil
}

// subscribe asks for the events after, and somewhat before, a Unix time in
// nanoseconds.
func (e *Env) subscribe(newest int64) client.EventsResult {
	since := newest - eventsOverlap.Nanoseconds()
	return e.engine.Client().Events(e.life, client.EventsListOptions{
		Since: fmt.Sprintf("%d.%09d", since/1e9, since%1e9),
		Filters: make(client.Filters).Add("type", string(events.ContainerEventType)).Add("label", LabelRun+"="+e.options.Run).
			Add("event", string(events.ActionStart), string(events.ActionDie), string(events.ActionOOM)),
	})
}

// hearEvents subscribes again when the engine goes away and comes back; the
// engine replays what happened since.
func (e *Env) hearEvents(stream client.EventsResult, began int64) {
	defer e.events.Done()
	seen := heard{newest: began}
	for {
		select {
		case m := <-stream.Messages:
			if seen.first(m) {
				e.hear(m)
			}
		case <-stream.Err:
			select {
			case <-e.life.Done():
				return
			case <-time.After(eventsPause):
			}
			stream = e.subscribe(seen.newest)
		}
	}
}

// heard tells an event that the engine replays from one that is new. It
// remembers as much as a new subscription may bring again.
type heard struct {
	newest int64 // Unix time in nanoseconds
	recent map[occurrence]struct{}
}

type occurrence struct {
	at        int64
	container string
	action    events.Action
}

// first says whether m had not been heard before, and remembers it.
func (h *heard) first(m events.Message) bool {
	o := occurrence{at: m.TimeNano, container: m.Actor.ID, action: m.Action}
	if _, again := h.recent[o]; again {
		return false
	}
	h.newest = max(h.newest, o.at)
	if h.recent == nil {
		h.recent = map[occurrence]struct{}{}
	}
	h.recent[o] = struct{}{}
	for old := range h.recent {
		if old.at < h.newest-2*eventsOverlap.Nanoseconds() {
			delete(h.recent, old)
		}
	}
	return true
}

func (e *Env) hear(m events.Message) {
	name := m.Actor.Attributes[LabelNode]
	w := e.watchOf(name)
	if w == nil {
		return // the agent, or another part of the run that is no node
	}
	exit := 0
	switch m.Action {
	case events.ActionStart:
		w.following.Store(true)
		select {
		case w.started <- struct{}{}:
		default: // one is already waiting to be followed
		}
		w.begin.Do(func() {
			e.logs.Add(1)
			go e.follow(w)
		})
	case events.ActionDie:
		exit, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
		select {
		case w.died <- exit:
		default:
		}
	}
	if e.options.OnNode != nil {
		e.options.OnNode(name, string(m.Action), e.options.Clock.At(time.Unix(0, m.TimeNano)), exit)
	}
}
