package faults

import (
	"context"
	"fmt"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/faults/clock"
	"github.com/hadrill/hadrill/harness"
)

const (
	skewProof   = "every process's clock code read back from its memory"
	skewHealing = "the processes' own code is put back; they see the true time at once"
)

var skewLadder = []Mechanism{ProcessMemory}

// skewed is every fault of a clock.
type skewed struct {
	name string
	aim  harness.Selector
	skew clock.Skew
}

func (s skewed) Spec() Spec {
	return Spec{Fault: s.name, Aim: text(s.aim), Params: s.skew.String()}
}

func (s skewed) Requires() []Mechanism { return []Mechanism{ProcessMemory, Freezer} }

func (s skewed) Inject(ctx context.Context, f *Field) (Injection, error) {
	if err := s.skew.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	nodes, err := resolve(ctx, f, s.name, s.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, agent.ActionClock, s.skew)
}
