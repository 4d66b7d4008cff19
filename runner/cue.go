package runner

import (
	"slices"
	"strings"
	"sync"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/runner/record"
)

// listeners hands recorded events to the steps that wait for one. Whoever
// records an event never waits for a step: each listener keeps the first event
// that fits and no other. The zero value is ready; safe for concurrent use.
type listeners struct {
	mu  sync.Mutex
	all []*listener
}

type listener struct {
	match faults.Match
	since record.Time
	heard chan record.Event // has room for the one event
}

func (l *listeners) add(m faults.Match, since record.Time) *listener {
	one := &listener{match: m, since: since, heard: make(chan record.Event, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, one)
	return one
}

func (l *listeners) remove(one *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(other *listener) bool { return other == one })
}

func (l *listeners) hear(e record.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		if !one.fits(e) {
			continue
		}
		select {
		case one.heard <- e:
		default: // an earlier one was heard
		}
	}
}

// fits tells whether an event is one to wait for: it happened under load, and
// it is news. What a node was first heard to believe, before anything changed,
// is none; it has no bracket.
func (l *listener) fits(e record.Event) bool {
	if e.At < l.since || e.Kind == record.EventBelief && e.Bracket == nil {
		return false
	}
	return l.match.Fits(faults.EventKind(e.Kind), e.Name, e.Node, e.Text)
}

// heardText is an event as a remark on a cue has it.
func heardText(e record.Event) string {
	return strings.TrimSpace(strings.Join([]string{string(e.Kind), e.Name, e.Text}, " "))
}
