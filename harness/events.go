package harness

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

const eventsPause = 200 * time.Millisecond

// watchEvents subscribes to the engine's word on this run's containers, before
// the first is started, and hears it until the Env ends.
func (e *Env) watchEvents(ctx context.Context) error {
	stream := e.subscribe("")
	// A refused subscription answers at once; a good one only when something happens.
	select {
	case err := <-stream.Err:
		return fmt.Errorf("subscribe to the engine's events: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	e.events.Add(1)
	go e.hearEvents(stream)
	return nil
}

func (e *Env) subscribe(since string) client.EventsResult {
	return e.engine.Client().Events(e.life, client.EventsListOptions{
		Since: since,
		Filters: make(client.Filters).Add("type", string(events.ContainerEventType)).Add("label", LabelRun+"="+e.options.Run).
			Add("event", string(events.ActionStart), string(events.ActionDie), string(events.ActionOOM)),
	})
}

// hearEvents subscribes again when the engine goes away and comes back; the
// engine replays what happened since the last event heard.
func (e *Env) hearEvents(stream client.EventsResult) {
	defer e.events.Done()
	var last int64
	for {
		select {
		case m := <-stream.Messages:
			if m.TimeNano > last {
				last = m.TimeNano
				e.hear(m)
			}
		case <-stream.Err:
			select {
			case <-e.life.Done():
				return
			case <-time.After(eventsPause):
			}
			since := ""
			if last > 0 {
				since = fmt.Sprintf("%d.%09d", last/1e9, last%1e9)
			}
			stream = e.subscribe(since)
		}
	}
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
