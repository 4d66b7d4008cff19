package engine

import (
	"sync"
	"time"
)

// An Event is one step of a longer piece of work, for whoever is watching.
type Event struct {
	Component string        // "engine", "base", "redis", ..., "self"
	Stage     string        // "find", "install", "start", "pull", "bootstrap", "build", "ready"
	Line      string        // one line of output of the tool at work; may be empty
	Done      bool          // the component is finished, well (Err nil) or badly
	Err       error         // set on the last event of work that failed
	Elapsed   time.Duration // since work on this component began
}

// Progress receives events. It is called from several goroutines, never at the
// same time, and must not block for long. A nil Progress is allowed everywhere.
type Progress func(Event)

// serial returns a Progress that calls p from one goroutine at a time.
func (p Progress) serial() Progress {
	if p == nil {
		return func(Event) {}
	}
	var lock sync.Mutex
	return func(event Event) {
		lock.Lock()
		defer lock.Unlock()
		p(event)
	}
}

// of returns a reporter for one component that stamps the elapsed time.
func (p Progress) of(component string) reporter {
	return reporter{to: p, component: component, start: time.Now()}
}

type reporter struct {
	to        Progress
	component string
	start     time.Time
}

func (r reporter) line(stage, line string) { r.send(Event{Stage: stage, Line: line}) }

func (r reporter) done(err error) { r.send(Event{Stage: "ready", Done: true, Err: err}) }

func (r reporter) send(event Event) {
	if r.to == nil {
		return
	}
	event.Component = r.component
	event.Elapsed = time.Since(r.start)
	r.to(event)
}
