package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Repeat is a step n times, each every later than the one before:
//
//	Repeat(3, 2s, At(1s, f))    1s   3s   5s
//
// A named step's copies are called name, name-2, name-3. A number below 1
// gives a schedule that Validate refuses, and not one without steps.
func Repeat(n int, every time.Duration, s Step) Schedule {
	if n < 1 {
		return Schedule{{Name: s.Name}}
	}
	all := make(Schedule, n)
	for i := range all {
		all[i] = s.Delayed(time.Duration(i) * every)
		if s.Name != "" && i > 0 {
			all[i].Name = s.Name + "-" + strconv.Itoa(i+1)
		}
	}
	return all
}

// Window is a stretch of time since the load began.
type Window struct{ From, To time.Duration }

// Randomised is n steps drawn from a menu, at times drawn within the window.
// Of a menu's step only the fault and how long it lasts count. The same seed
// draws the same steps; seed 0 stands for the run's own, so that a run is
// replayed by its seed. What was drawn is what the record declares.
func Randomised(seed uint64, n int, w Window, menu ...Step) Step {
	return At(w.From, Draw{Seed: seed, N: n, Window: w.To - w.From, Menu: menu})
}

// Draw is steps that are yet to be drawn: it stands in a [Schedule] where
// [Schedule.Drawn] puts the steps themselves. It is never injected.
type Draw struct {
	Seed   uint64 // 0: the run's
	N      int    // how many steps
	Window time.Duration
	Menu   []Step // Fault and For only
}

// maxDrawn bounds what one draw adds to a schedule.
const maxDrawn = 100

// Spec implements Fault.
func (d Draw) Spec() Spec {
	return Spec{Fault: "draw", Aim: d.menu(), Params: strings.TrimPrefix(d.head(), "draw ")}
}

// Requires implements Fault: the menu's faults say what each needs.
func (d Draw) Requires() []Mechanism { return nil }

// Inject implements Fault.
func (d Draw) Inject(context.Context, *Field) (Injection, error) {
	return nil, errors.New("draw: the steps have not been drawn")
}

// String writes the draw as [Parse] reads it.
func (d Draw) String() string { return d.head() + " of " + d.menu() }

func (d Draw) head() string {
	s := fmt.Sprintf("draw %d in %v", d.N, d.Window)
	if d.Seed != 0 {
		s += fmt.Sprintf(" seed %d", d.Seed)
	}
	return s
}

func (d Draw) menu() string {
	texts := make([]string, len(d.Menu))
	for i, m := range d.Menu {
		texts[i] = m.what()
	}
	return "{ " + strings.Join(texts, "; ") + " }"
}

func (d Draw) validate(step Step) error {
	switch {
	case d.N < 1 || d.N > maxDrawn:
		return fmt.Errorf("draws %d steps: wants 1 to %d", d.N, maxDrawn)
	case d.Window < 0:
		return errors.New("the window ends before it begins")
	case len(d.Menu) == 0:
		return errors.New("nothing to draw from")
	case step.For != 0:
		return errors.New("a draw has no length of its own; give each fault of its menu one")
	}
	for _, m := range d.Menu {
		_, nested := m.Fault.(Draw)
		switch {
		case m.Fault == nil:
			return errors.New("no fault given in the menu")
		case nested:
			return errors.New("a draw within a draw")
		case m.For < 0:
			return errors.New("negative time in the menu")
		case m.For > d.Window:
			return fmt.Errorf("%s of the menu lasts %v, longer than the window of %v", m.Fault.Spec().Fault, m.For, d.Window)
		}
	}
	return nil
}

// grain is what drawn times are rounded to, so that they read well.
const grain = time.Millisecond

// steps draws, in order of time. Each drawn step is over within the window.
func (d Draw) steps(at Step, rng *rand.Rand) Schedule {
	all := make(Schedule, d.N)
	for i := range all {
		all[i] = at
		picked := d.Menu[rng.IntN(len(d.Menu))]
		room := int64((d.Window - picked.For) / grain)
		all[i].At += time.Duration(rng.Int64N(room+1)) * grain
		all[i].For, all[i].Fault = picked.For, picked.Fault
	}
	slices.SortStableFunc(all, func(a, b Step) int { return int(a.At - b.At) })
	if at.Name != "" {
		for i := range all[1:] {
			all[i+1].Name = at.Name + "-" + strconv.Itoa(i+2)
		}
	}
	return all
}

// drawStream keeps draws apart from what else a run draws from its seed.
const drawStream = 0x66617 << 32

// Drawn returns the schedule with the steps of every [Draw] in its place, and
// references by number following the steps they meant. The draw of one
// schedule and one seed is always the same. The schedule must be valid.
func (s Schedule) Drawn(seed uint64) Schedule {
	if !slices.ContainsFunc(s, func(step Step) bool { _, ok := step.Fault.(Draw); return ok }) {
		return s
	}
	var all Schedule
	moved := make(map[string]string, len(s)) // old number to new
	for i, step := range s {
		moved[strconv.Itoa(i+1)] = strconv.Itoa(len(all) + 1)
		d, ok := step.Fault.(Draw)
		if !ok {
			all = append(all, step)
			continue
		}
		// Draws without a seed of their own differ from each other.
		rng := rand.New(rand.NewPCG(seed, drawStream+uint64(i)))
		if d.Seed != 0 {
			rng = rand.New(rand.NewPCG(d.Seed, drawStream))
		}
		all = append(all, d.steps(step, rng)...)
	}
	for i := range all {
		if to, ok := moved[all[i].Cue.Step]; ok {
			all[i].Cue.Step = to
		}
	}
	return all
}
