// Package suite runs scenarios, alone or many, and leaves complete run
// folders behind: event log, run.json, junit.xml, page, node logs. Unless
// Options.Command says otherwise, each run records how to run it alone again.
//
//	for each scenario, for each repetition:
//	    runner.Run ─▶ run.log ─▶ runner.Analyze ─▶ reports.WriteRun
//	at the end:  reports.WriteSuite over all of them
//
// The judgement always comes from the log on disk, never from memory: what the
// page says is what `hadrill analyze` will say of the folder again.
package suite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
)

// Outcome is one finished run.
type Outcome struct {
	Scenario runner.Scenario
	Repeat   int
	Dir      string         // the run folder, "" when it could not be made
	Result   *record.Result // nil when nothing could be judged
	Err      error          // why the run could not be carried through; nil otherwise
	Elapsed  time.Duration
}

// AsExpected tells whether the outcome is what the suite wants: a pass of a
// safe scenario, a catch of a twin for the declared reason.
func (o Outcome) AsExpected() bool {
	switch {
	case o.Err != nil || o.Result == nil:
		return false
	case o.Scenario.TwinOf != "":
		return o.Result.Caught != nil && o.Result.Caught.Caught
	default:
		return o.Result.Verdict == record.Pass
	}
}

// Reproduce is the command that runs one scenario again with the same seed:
// of this scenario alone, whatever else the suite ran beside it.
func Reproduce(s runner.Scenario, seed uint64) string {
	return fmt.Sprintf("hadrill run --seed %d %s", seed, s.Arguments())
}

// Drill runs one scenario once, judges it and writes its reports.
func Drill(ctx context.Context, s runner.Scenario, o runner.Options) Outcome {
	began := time.Now()
	o.Command = cmp.Or(o.Command, Reproduce(s, o.Seed))
	out := Outcome{Scenario: s, Repeat: o.Repeat}
	out.Dir, out.Err = runner.Run(ctx, s, o)
	if out.Dir != "" {
		// Also what was cut short is judged and written: the verdict says so.
		judging := context.WithoutCancel(ctx)
		log, result, err := runner.Analyze(judging, out.Dir)
		if err == nil {
			out.Result = result
			err = reports.WriteRun(out.Dir, log, result)
		}
		out.Err = errors.Join(out.Err, err)
	}
	out.Elapsed = time.Since(began)
	return out
}

// Plan is a suite to be run.
type Plan struct {
	Scenarios []runner.Scenario
	Repeat    int // repetitions of each; at least 1
	// Parallel is how many drills may run side by side. Each has its own
	// networks and its own agent; the control lane of each tells whether they
	// disturbed one another.
	Parallel int
	Options  runner.Options
	// Done is called as each drill ends, one call at a time.
	Done func(Outcome)
}

// Slots share the machine among drills that run side by side: a light drill
// takes half of what a medium one does, an exclusive one takes everything.
// Safe for concurrent use.
type Slots struct {
	capacity int64
	taken    *semaphore.Weighted
}

// shareOfDrill is what one medium drill takes of the capacity.
const shareOfDrill = 2

// NewSlots makes room for parallel medium drills at once, at least one.
func NewSlots(parallel int) *Slots {
	capacity := int64(max(parallel, 1)) * shareOfDrill
	return &Slots{capacity: capacity, taken: semaphore.NewWeighted(capacity)}
}

// Take waits for a drill's share, first come first served, and returns what
// gives it back. It fails only when ctx ends.
func (s *Slots) Take(ctx context.Context, w runner.Weight) (release func(), err error) {
	share := s.share(w)
	if err := s.taken.Acquire(ctx, share); err != nil {
		return nil, err
	}
	return func() { s.taken.Release(share) }, nil
}

// share is how much of the capacity a drill takes. One at a time means one.
func (s *Slots) share(w runner.Weight) int64 {
	switch {
	case s.capacity == shareOfDrill || w == runner.Exclusive:
		return s.capacity
	case w == runner.Light:
		return shareOfDrill / 2
	default:
		return shareOfDrill
	}
}

// Run runs the plan and returns the outcomes in order of scenario and
// repetition. A drill that cannot be carried through does not stop the
// others; the end of ctx does, and no further drill is started.
func (p Plan) Run(ctx context.Context) []Outcome {
	repeat := max(p.Repeat, 1)
	outcomes := make([]Outcome, len(p.Scenarios)*repeat)
	slots := NewSlots(p.Parallel)
	var group errgroup.Group
	var mu sync.Mutex
	for i := range outcomes {
		s := p.Scenarios[i/repeat]
		release, err := slots.Take(ctx, s.Weight)
		if err != nil {
			outcomes[i] = Outcome{Scenario: s, Repeat: i%repeat + 1, Err: fmt.Errorf("%s: not run: %w", s.Name, runner.ErrInterrupted)}
			continue
		}
		group.Go(func() error {
			defer release()
			o := p.Options
			o.Repeat = i%repeat + 1
			outcomes[i] = Drill(ctx, s, o)
			mu.Lock()
			defer mu.Unlock()
			if p.Done != nil {
				p.Done(outcomes[i])
			}
			return nil
		})
	}
	_ = group.Wait() // the goroutines return no error
	return outcomes
}
