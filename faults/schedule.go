package faults

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is the faults of a run, in any order. A step begins at a time of
// the load, after another step, or on something that happens in the run:
//
//	load     0 ──────── 2s ───────────────────────────────────────────▶
//	step 1              kill primary
//	step 2               └─ effective ─ 500ms ─▶ pause redis-2        After("1", ...)
//	step 3                    sentinel: "+odown" ─▶ kill sentinel-1   On(Match{...}, ...)
//
// Steps are independent of each other unless they say otherwise: steps of one
// moment are injected side by side, each with a proof of its own, and a step
// that must not begin before another is effective says so with [After].
// Steps to be healed at one moment are healed in the reverse order of their
// injection, and so are those in force when the load has ended.
//
// Steps are counted from 1, as plans and records print them. [Parse] reads a
// schedule from text, String writes it.
type Schedule []Step

// Step is one fault of a schedule: plain data.
type Step struct {
	Name  string        // how other steps refer to it, beside its number; "" for none
	Cue   Cue           // what it waits for; zero: the beginning of the load
	At    time.Duration // after the cue
	For   time.Duration // healed after this long under load; 0: healed when the load has ended
	Fault Fault
}

// CueKind says what a step waits for. Closed.
type CueKind uint8

// The kinds of cue.
const (
	CueLoad    CueKind = iota // the beginning of the load
	CueEffect                 // the proof that another step took effect
	CueHealing                // the proof that another step was healed
	CueEvent                  // something that happens in the run
)

// Cue is what a step waits for. A step whose cue never comes is recorded as
// failed with the reason, so that the run is inconclusive.
type Cue struct {
	Kind  CueKind
	Step  string        // CueEffect, CueHealing: number or name of the other step
	Match Match         // CueEvent
	By    time.Duration // CueEvent: the latest, since the load began; 0: as late as the step still fits under the load
}

// EventKind is the kind of a recorded event that a step may wait for. Closed;
// the values are those of runner/record.
type EventKind string

// The kinds of event.
const (
	EventBelief     EventKind = "belief"     // a node changes its mind: Name is its own role, Text whom it believes primary
	EventRedundancy EventKind = "redundancy" // the number of members in service changes
	EventDeclared   EventKind = "declared"   // a component declares a failure
	EventOwner      EventKind = "owner"      // a component declares a new owner
	EventLog        EventKind = "log"        // a line of a node's log that the system's reader keeps
	EventNode       EventKind = "node"       // the engine saw a container start or die: Name
	EventFault      EventKind = "fault"      // the life of an injection: Name is "effective", "healed", "gap", ...
)

var eventKinds = []string{
	string(EventBelief), string(EventDeclared), string(EventFault), string(EventLog),
	string(EventNode), string(EventOwner), string(EventRedundancy),
}

// Match selects events of a run. What is zero matches everything, but for Kind.
type Match struct {
	Kind EventKind
	Name string // the event's name, exactly
	Node string // the node's name, exactly
	Text string // part of the event's text
}

// Fits tells whether an event is one of those that m selects.
func (m Match) Fits(kind EventKind, name, node, text string) bool {
	return m.Kind == kind &&
		(m.Name == "" || m.Name == name) &&
		(m.Node == "" || m.Node == node) &&
		strings.Contains(text, m.Text)
}

// At schedules a fault at a time since the load began.
func At(t time.Duration, f Fault) Step { return Step{At: t, Fault: f} }

// After schedules a fault at a delay after another step, named by its number
// or its name, was proven to have taken effect.
func After(step string, delay time.Duration, f Fault) Step {
	return Step{Cue: Cue{Kind: CueEffect, Step: step}, At: delay, Fault: f}
}

// AfterHealed schedules a fault at a delay after another step, which must be
// [Step.Lasting], was proven to be healed.
func AfterHealed(step string, delay time.Duration, f Fault) Step {
	return Step{Cue: Cue{Kind: CueHealing, Step: step}, At: delay, Fault: f}
}

// On schedules a fault at the first event under load that matches; see [Step.By].
func On(m Match, f Fault) Step { return Step{Cue: Cue{Kind: CueEvent, Match: m}, Fault: f} }

// Lasting returns the step healed after d, while the load still runs.
func (s Step) Lasting(d time.Duration) Step {
	s.For = d
	return s
}

// Named returns the step with a name for others to refer to.
func (s Step) Named(name string) Step {
	s.Name = name
	return s
}

// By returns the step with a deadline for its event, since the load began.
func (s Step) By(deadline time.Duration) Step {
	s.Cue.By = deadline
	return s
}

// Delayed returns the step d later after what it waits for.
func (s Step) Delayed(d time.Duration) Step {
	s.At += d
	return s
}

// Find returns the index of the step that a number or a name refers to, -1
// when there is none.
func (s Schedule) Find(ref string) int {
	if n, err := strconv.Atoi(ref); err == nil {
		if n < 1 || n > len(s) || strconv.Itoa(n) != ref {
			return -1
		}
		return n - 1
	}
	for i, step := range s {
		if step.Name == ref && ref != "" {
			return i
		}
	}
	return -1
}

// String writes the schedule as [Parse] reads it.
func (s Schedule) String() string {
	texts := make([]string, len(s))
	for i, step := range s {
		texts[i] = step.String()
	}
	return strings.Join(texts, "; ")
}

// String writes the step as [Parse] reads it.
func (s Step) String() string {
	var b strings.Builder
	if s.Name != "" {
		b.WriteString(s.Name + ": ")
	}
	if s.Cue.Kind == CueLoad {
		fmt.Fprintf(&b, "at %v", s.At)
	} else {
		b.WriteString(s.Cue.String())
		if s.At != 0 {
			fmt.Fprintf(&b, " +%v", s.At)
		}
	}
	b.WriteString(" " + s.what())
	return b.String()
}

// what is the step without its cue: how long, and which fault.
func (s Step) what() string {
	if s.Fault == nil {
		return "nothing"
	}
	words := make([]string, 0, 4)
	if s.For != 0 {
		words = append(words, "for "+s.For.String())
	}
	if d, ok := s.Fault.(Draw); ok {
		return strings.Join(append(words, d.String()), " ")
	}
	spec := s.Fault.Spec()
	for _, w := range []string{spec.Fault, spec.Aim, spec.Params} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// String writes the cue as [Parse] reads it; "" for the beginning of the load.
func (c Cue) String() string {
	switch c.Kind {
	case CueEffect:
		return "after " + c.Step
	case CueHealing:
		return "after " + c.Step + " healed"
	case CueEvent:
		s := "on " + c.Match.String()
		if c.By != 0 {
			s += " by " + c.By.String()
		}
		return s
	default:
		return ""
	}
}

// String writes the match as [Parse] reads it.
func (m Match) String() string {
	s := string(m.Kind)
	if m.Name != "" {
		s += " name=" + quoted(m.Name)
	}
	if m.Node != "" {
		s += " node=" + quoted(m.Node)
	}
	if m.Text != "" {
		s += " " + strconv.Quote(m.Text)
	}
	return s
}

// quoted puts a word between quotes where it would not be read as one.
func quoted(s string) string {
	if isName(s) {
		return s
	}
	return strconv.Quote(s)
}
