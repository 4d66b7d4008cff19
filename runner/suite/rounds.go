package suite

import (
	"context"
	"fmt"

	"github.com/hadrill/hadrill/runner"
)

// Rounds runs scenarios that are to be compared with each other: each once,
// then each once more, one at a time. What changes on the machine meanwhile
// then meets all of them alike, and none has a neighbour.
//
//	round 1   a b c d
//	round 2   a b c d
type Rounds struct {
	Scenarios []runner.Scenario
	Repeat    int // rounds; at least 1
	Options   runner.Options
	Command   func(i int) string // how to run the i-th scenario again; nil: see Reproduce
	Done      func(Outcome)      // called as each drill ends; may be nil
}

// Run returns the outcomes by scenario, then by round. A drill that cannot be
// carried through does not stop the others; the end of ctx does.
func (r Rounds) Run(ctx context.Context) [][]Outcome {
	outcomes := make([][]Outcome, len(r.Scenarios))
	for round := range max(r.Repeat, 1) {
		for i, s := range r.Scenarios {
			out := Outcome{Scenario: s, Repeat: round + 1, Err: fmt.Errorf("%s: not run: %w", s.Name, runner.ErrInterrupted)}
			if ctx.Err() == nil {
				o := r.Options
				o.Repeat = round + 1
				if r.Command != nil {
					o.Command = r.Command(i)
				}
				out = Drill(ctx, s, o)
				if r.Done != nil {
					r.Done(out)
				}
			}
			outcomes[i] = append(outcomes[i], out)
		}
	}
	return outcomes
}
