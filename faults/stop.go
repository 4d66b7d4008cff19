package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var (
	_ = describe(Entry{
		Name:    "stop",
		Meaning: "the node is asked to end (SIGTERM), as a deployment does, and killed when it does not",
		Ladder:  []Mechanism{Pidfd},
		Proof:   "the process's pidfd becomes readable",
		Healing: "the container is started again",
	})
	_ = describe(Entry{
		Name:    "restart",
		Meaning: "the node is asked to end and is started again at once",
		Ladder:  []Mechanism{Pidfd},
		Proof:   "the old process's pidfd becomes readable, a new first process runs",
		Healing: "none is needed; an unfinished restart is finished",
	})
)

// Stop asks the nodes to end with the signal their images name (SIGTERM if
// none), and kills those that have not ended after ten seconds. Healing starts
// them again.
func Stop(aim harness.Selector) Fault { return stop{aim: aim} }

// StopWithin is Stop with another grace time, below 30 s.
func StopWithin(aim harness.Selector, grace time.Duration) Fault { return stop{aim, grace} }

type stop struct {
	aim   harness.Selector
	grace time.Duration
}

func (s stop) Spec() Spec            { return Spec{"stop", text(s.aim), graceText(s.grace)} }
func (s stop) Requires() []Mechanism { return []Mechanism{Pidfd} }

func (s stop) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "stop", s.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionStop, agent.StopParams{Grace: s.grace})
}

// Restart asks the nodes to end and starts each again as soon as it has. The
// bracket of its proof is that of the end, where the outage begins.
func Restart(aim harness.Selector) Fault { return restart{aim: aim} }

// RestartWithin is Restart with a grace time other than ten seconds, below 30 s.
func RestartWithin(aim harness.Selector, grace time.Duration) Fault { return restart{aim, grace} }

type restart struct {
	aim   harness.Selector
	grace time.Duration
}

func (r restart) Spec() Spec            { return Spec{"restart", text(r.aim), graceText(r.grace)} }
func (r restart) Requires() []Mechanism { return []Mechanism{Pidfd} }

func (r restart) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "restart", r.aim)
	if err != nil {
		return nil, err
	}
	return once(strike(ctx, f, nodes, agent.ActionRestart, agent.StopParams{Grace: r.grace}))
}

func graceText(grace time.Duration) string {
	if grace == 0 {
		return ""
	}
	return fmt.Sprintf("grace=%v", grace)
}
