package faults

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Validate reports everything in a schedule that cannot be: no fault, a
// negative time, a reference to no step or in a circle, an end after the
// load's. Steps that wait are taken at their latest.
func (s Schedule) Validate(load time.Duration) error {
	errs := make([]error, 0, len(s))
	for i, step := range s {
		if err := s.validate(i, load); err != nil {
			errs = append(errs, fmt.Errorf("fault step %d%s: %w", i+1, step.title(), err))
		}
	}
	return errors.Join(errs...)
}

func (s Step) title() string {
	if s.Fault == nil {
		return ""
	}
	return " (" + s.Fault.Spec().Fault + ")"
}

func (s Schedule) validate(i int, load time.Duration) error {
	step := s[i]
	if step.Fault == nil {
		return errors.New("no fault given")
	}
	if step.At < 0 || step.For < 0 || step.Cue.By < 0 {
		return errors.New("negative time")
	}
	if err := s.validateName(i); err != nil {
		return err
	}
	length := step.For
	if d, ok := step.Fault.(Draw); ok {
		if err := d.validate(step); err != nil {
			return err
		}
		length = d.Window
	}
	if err := s.validateCue(step); err != nil {
		return err
	}
	latest, err := s.latest(i, load, nil)
	if err != nil {
		return err
	}
	if end := latest + length; end >= load && !step.open() {
		return fmt.Errorf("ends at %v%s, but the load lasts only %v", end, step.atLatest(), load)
	} else if step.open() && step.At+length >= load {
		return fmt.Errorf("takes %v from its event on, but the load lasts only %v", step.At+length, load)
	}
	return nil
}

// open tells whether the step waits for an event without a deadline of its own.
func (s Step) open() bool { return s.Cue.Kind == CueEvent && s.Cue.By == 0 }

func (s Step) atLatest() string {
	if s.Cue.Kind == CueLoad {
		return ""
	}
	return " at the latest"
}

func (s Schedule) validateName(i int) error {
	name := s[i].Name
	if name == "" {
		return nil
	}
	if !isStepName(name) {
		return fmt.Errorf("name %q: wants a letter, then letters, digits and '-', and no word of the grammar", name)
	}
	if first := s.Find(name); first != i {
		return fmt.Errorf("name %q: step %d has it already", name, first+1)
	}
	return nil
}

func (s Schedule) validateCue(step Step) error {
	switch step.Cue.Kind {
	case CueLoad:
		return nil
	case CueEvent:
		if !slices.Contains(eventKinds, string(step.Cue.Match.Kind)) {
			return fmt.Errorf("waits for an event of kind %q: is none of %v", step.Cue.Match.Kind, eventKinds)
		}
		return nil
	case CueEffect, CueHealing:
	default:
		return fmt.Errorf("unknown kind of cue %d", step.Cue.Kind)
	}
	other := s.Find(step.Cue.Step)
	if other < 0 {
		return fmt.Errorf("waits for step %q: there is none of this number or name", step.Cue.Step)
	}
	if _, several := s[other].Fault.(Draw); several {
		return fmt.Errorf("waits for step %q, which is drawn and becomes several", step.Cue.Step)
	}
	if step.Cue.Kind == CueHealing && s[other].For == 0 {
		return fmt.Errorf("waits for the healing of step %q, which is healed only when the load has ended; say how long it lasts", step.Cue.Step)
	}
	return nil
}

// latest is the latest moment at which a step begins. A step that waits for an
// event without a deadline begins when it still fits; path holds the steps
// that wait for this one.
func (s Schedule) latest(i int, load time.Duration, path []int) (time.Duration, error) {
	step := s[i]
	switch step.Cue.Kind {
	case CueEvent:
		if step.open() {
			return max(load-step.For, 0), nil
		}
		return step.Cue.By + step.At, nil
	case CueEffect, CueHealing:
		if slices.Contains(path, i) {
			return 0, fmt.Errorf("waits for itself, by way of %s", chain(append(path[slices.Index(path, i):], i)))
		}
		other := s.Find(step.Cue.Step)
		if other < 0 {
			return step.At, nil // told where that step is validated
		}
		begins, err := s.latest(other, load, append(path, i))
		if err != nil {
			return 0, err
		}
		if s[other].open() && begins+step.At >= load {
			return 0, fmt.Errorf("follows step %d, which may wait until the load ends; give that one a deadline (by)", other+1)
		}
		if step.Cue.Kind == CueHealing {
			begins += s[other].For
		}
		return begins + step.At, nil
	default:
		return step.At, nil
	}
}

func chain(path []int) string {
	s := "step " + strconv.Itoa(path[0]+1)
	for _, i := range path[1:] {
		s += ", step " + strconv.Itoa(i+1)
	}
	return s
}
