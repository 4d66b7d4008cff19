// Package faults damages one node, link, disk or clock of a system that this
// run started; proves it; undoes it; proves that too.
//
//	declared        injected              proven               undone            proven
//	Fault ─Inject─▶ Injection ─Effective─▶ Proof ... ─Heal─▶ (nothing) ─Healed─▶ Proof
//	                    │                  [before, after]                     [before, after]
//	                    └─ the agent wrote its undo record before it acted
//
// A Fault is plain data with an aim; the aim is resolved to nodes at the
// moment of injection. The damage itself is done by the agent (package
// faults/agent), which outlives its author and undoes everything when the
// author is gone. Without a Proof a run is inconclusive, never a pass.
package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

// Spec is how a fault is written in plans, records and reports.
type Spec struct {
	Fault  string // "kill", "pause", "partition", ...: a name of the catalogue
	Aim    string // whom: a selector's text
	Params string // everything else, canonical
}

// Field is where a fault acts: the running system and the agent's hands.
type Field struct {
	System harness.Running
	Agent  *agent.Client
	// Source returns the address that a client zone's load comes from, as the
	// nodes see it; "" is the data network.
	Source func(clientZone string) (string, error)
}

// Fault is one kind of damage with its parameters and its aim.
type Fault interface {
	Spec() Spec
	// Requires names the mechanisms this fault needs, best first within each
	// alternative; the plan refuses what the machine lacks.
	Requires() []Mechanism
	// Inject does the damage and returns as soon as it was ordered; it reverts
	// what it half did before it returns an error.
	Inject(ctx context.Context, f *Field) (Injection, error)
}

// Injection is damage under way.
type Injection interface {
	// Nodes are those the aim was resolved to.
	Nodes() []*harness.Node
	// Effective waits for evidence that the damage took effect.
	Effective(ctx context.Context) (Proof, error)
	// Heal undoes the damage. Healing twice is fine.
	Heal(ctx context.Context) error
	// Healed waits for evidence that the damage is gone.
	Healed(ctx context.Context) (Proof, error)
}

// Proof is evidence with a time bracket, in nanoseconds of the run's clock.
type Proof struct {
	Before int64  // last seen without the effect
	After  int64  // first seen with it
	How    string // how it was observed: "pidfd", "freezer state", "rule counter", ...
	Detail string
}

// Mechanism is something of the kernel or the engine that a fault needs.
type Mechanism string

// Step is one fault of a schedule.
type Step struct {
	At    time.Duration // since the load began
	For   time.Duration // healed after this long under load; 0: healed when the load has ended
	Fault Fault
}

// At schedules a fault at a time since the load began.
func At(t time.Duration, f Fault) Step { return Step{At: t, Fault: f} }

// Lasting returns the step healed after d, while the load still runs.
func (s Step) Lasting(d time.Duration) Step {
	s.For = d
	return s
}

// Schedule is the faults of a run, in any order.
type Schedule []Step

// Validate reports the first step that cannot be: no fault, a negative time,
// or an end after the load's.
func (s Schedule) Validate(load time.Duration) error {
	for i, step := range s {
		switch {
		case step.Fault == nil:
			return fmt.Errorf("fault step %d: no fault given", i+1)
		case step.At < 0 || step.For < 0:
			return fmt.Errorf("fault step %d (%s): negative time", i+1, step.Fault.Spec().Fault)
		case step.At+step.For >= load:
			return fmt.Errorf("fault step %d (%s): ends at %v, but the load lasts only %v", i+1, step.Fault.Spec().Fault, step.At+step.For, load)
		}
	}
	return nil
}
