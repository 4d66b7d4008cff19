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
