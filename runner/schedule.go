package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// plan carries out a fault schedule on the timeline of the load. Every step
// lives its own life beside the others:
//
//	load   ├─ baseline ─┬────────── fault ──────────┬── recovery ──┤ heal
//	step 1              inject ▸ proof ... heal ▸ proof            (if not yet)
//	step 2              (the same moment: side by side)
//	step 3                        └ after 1 ▸ inject ▸ proof
//	step 4                             on an event ▸ inject ▸ proof
type plan struct {
	drill *drill
	field *faults.Field
	steps []*step
	begun sync.Once // the fault phase

	mu       sync.Mutex
	injected []*step // in the order of injection; healed in reverse
}

type step struct {
	faults.Step
	id        string
	injection faults.Injection
	healed    bool
	due       record.Time // when it is to be healed; guarded by plan.mu until its life is over
	effect    *outcome    // of the injection
	healing   *outcome
	over      chan struct{} // closed when the step needs no more time of the load
}

// outcome is something that other steps may wait for: it was proven at a
// time, or it will not be, for a reason.
type outcome struct {
	known chan struct{}
	once  sync.Once
	at    record.Time
	why   string
}

func newOutcome() *outcome { return &outcome{known: make(chan struct{})} }

func (o *outcome) proven(at record.Time) { o.once.Do(func() { o.at = at; close(o.known) }) }
func (o *outcome) failed(why string)     { o.once.Do(func() { o.why = why; close(o.known) }) }

// wait returns when it was proven, or why it was not.
func (o *outcome) wait(ctx context.Context) (at record.Time, why string, err error) {
	select {
	case <-o.known:
		return o.at, o.why, nil
	case <-ctx.Done():
		return 0, "", ctx.Err()
	}
}

func newPlan(d *drill) *plan {
	p := &plan{drill: d, field: &faults.Field{System: d.system, Agent: d.agent, Source: func(zone string) (string, error) {
		if addr := d.env.GatewayOf(zone); addr.IsValid() {
			return addr.String(), nil
		}
		return "", fmt.Errorf("client zone %q: the run has none of this name", zone)
	}}}
	for i, s := range d.scenario.Faults {
		p.steps = append(p.steps, &step{Step: s, id: strconv.Itoa(i + 1), effect: newOutcome(), healing: newOutcome(), over: make(chan struct{})})
	}
	return p
}

// declared is the schedule as data.
func declared(s faults.Schedule) []record.FaultPlan {
	var plans []record.FaultPlan
	for i, step := range s {
		spec := step.Fault.Spec()
		cue := step.Cue
		if n := s.Find(cue.Step); n >= 0 {
			cue.Step = strconv.Itoa(n + 1)
		}
		plans = append(plans, record.FaultPlan{
			ID: strconv.Itoa(i + 1), Fault: spec.Fault, Aim: spec.Aim, Params: spec.Params, Cue: cue.String(), At: step.At, For: step.For,
		})
	}
	return plans
}

// execute injects and heals as declared and returns when no step needs more
// time of the load. A step that is not carried out is recorded as failed; the
// first that cannot be carried out ends the others.
func (p *plan) execute(ctx context.Context, start record.Time) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range p.steps {
		var heard <-chan record.Event
		if s.Cue.Kind == faults.CueEvent { // listening before any step acts
			listener := p.drill.listeners.add(s.Cue.Match, start)
			defer p.drill.listeners.remove(listener)
			heard = listener.heard
		}
		group.Go(func() error { return p.live(ctx, s, start, heard) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	entered := true
	p.begun.Do(func() { entered = false })
	if entered {
		p.drill.enter(record.PhaseRecovery)
	}
	return nil
}

// live carries one step from its cue to its healing.
func (p *plan) live(ctx context.Context, s *step, start record.Time, heard <-chan record.Event) error {
	defer close(s.over)
	cue, why, err := p.await(ctx, s, start, heard)
	if err != nil {
		return err
	}
	at := cue.Add(s.At)
	if why == "" {
		if err := sleepUntil(ctx, p.drill.clock, at); err != nil {
			return err
		}
		if p.drill.clock.now() >= start.Add(p.drill.scenario.Duration) {
			why = "the load had ended when its moment came"
		}
	}
	if why != "" {
		p.miss(s, why)
		return nil
	}
	p.begun.Do(func() { p.drill.enter(record.PhaseFault) })
	if err := p.inject(ctx, s, at.Add(s.For)); err != nil || s.For == 0 {
		return err
	}
	if err := sleepUntil(ctx, p.drill.clock, at.Add(s.For)); err != nil {
		return err
	}
	if err := p.yield(ctx, s); err != nil {
		return err
	}
	return p.heal(ctx, s)
}

// await waits for what a step waits for and returns when that was, or why the
// step will not be carried out.
func (p *plan) await(ctx context.Context, s *step, start record.Time, heard <-chan record.Event) (at record.Time, why string, err error) {
	switch s.Cue.Kind {
	case faults.CueEffect:
		return p.steps[p.drill.scenario.Faults.Find(s.Cue.Step)].effect.wait(ctx)
	case faults.CueHealing:
		return p.steps[p.drill.scenario.Faults.Find(s.Cue.Step)].healing.wait(ctx)
	case faults.CueEvent:
		return p.listen(ctx, s, start, heard)
	default:
		return start, "", nil
	}
}

// listen waits for a step's event until its deadline, or as long as the step
// still fits under the load.
func (p *plan) listen(ctx context.Context, s *step, start record.Time, heard <-chan record.Event) (at record.Time, why string, err error) {
	by := s.Cue.By
	if by == 0 {
		by = p.drill.scenario.Duration - s.At - s.For
	}
	deadline := time.NewTimer(start.Add(by).Sub(p.drill.clock.now()))
	defer deadline.Stop()
	select {
	case e := <-heard:
		p.drill.event(record.Event{Kind: record.EventNote, Name: "cue", Node: e.Node, Fault: s.id, Text: heardText(e), How: s.Cue.String()})
		return max(e.At, start), "", nil
	case <-deadline.C:
		return 0, fmt.Sprintf("nothing matched %q until %v after the load began", s.Cue.Match, by), nil
	case <-ctx.Done():
		return 0, "", ctx.Err()
	}
}

// miss records a step that is not carried out: the run says so and is
// inconclusive, and what waits for the step is not carried out either.
func (p *plan) miss(s *step, why string) {
	why = "not carried out: " + why
	p.record(s, record.StepFailed, nil, "", why)
	s.effect.failed("step " + s.id + " was " + why)
	s.healing.failed("step " + s.id + " was " + why)
}

// yield waits until every step that was injected later, and is due for healing
// no later, has been healed: damages of one moment are undone latest first.
func (p *plan) yield(ctx context.Context, s *step) error {
	p.mu.Lock()
	var later []*step
	for _, other := range p.injected[slices.Index(p.injected, s)+1:] {
		if other.For > 0 && other.due <= s.due {
			later = append(later, other)
		}
	}
	p.mu.Unlock()
	for _, other := range later {
		select {
		case <-other.over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// inject does a step's damage and proves it.
func (p *plan) inject(ctx context.Context, s *step, due record.Time) error {
	p.record(s, record.StepInjecting, nil, "", "")
	injection, err := s.Fault.Inject(ctx, p.field)
	if err != nil {
		p.record(s, record.StepFailed, nil, "", err.Error())
		return fmt.Errorf("inject fault %s (%s %s): %w", s.id, s.Fault.Spec().Fault, s.Fault.Spec().Aim, err)
	}
	p.mu.Lock()
	s.injection, s.due = injection, due
	p.injected = append(p.injected, s)
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	proof, err := injection.Effective(ctx)
	if err != nil {
		p.record(s, record.StepUnproven, nil, "", err.Error())
		s.effect.failed("step " + s.id + " was not proven to take effect")
		return nil // not an error: the verdict will be inconclusive
	}
	p.record(s, record.StepEffective, &proof, proof.How, proof.Detail)
	s.effect.proven(record.Time(proof.After))
	return nil
}

// heal undoes one step and proves it; a step that was healed stays healed.
func (p *plan) heal(ctx context.Context, s *step) error {
	if s.injection == nil || s.healed {
		return nil
	}
	p.stillThere(ctx, s)
	p.record(s, record.StepHealing, nil, "", "")
	if err := s.injection.Heal(ctx); err != nil {
		p.record(s, record.StepHealUnproven, nil, "", err.Error())
		return fmt.Errorf("heal fault %s (%s %s): %w", s.id, s.Fault.Spec().Fault, s.Fault.Spec().Aim, err)
	}
	s.healed = true
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	proof, err := s.injection.Healed(ctx)
	if err != nil {
		p.record(s, record.StepHealUnproven, nil, "", err.Error())
		s.healing.failed("the healing of step " + s.id + " was not proven")
		return nil
	}
	p.record(s, record.StepHealed, &proof, proof.How, proof.Detail)
	s.healing.proven(record.Time(proof.After))
	return nil
}

// stillThere looks once more before healing: damage that has silently gone
// proves nothing about the time since, and the run must know.
func (p *plan) stillThere(ctx context.Context, s *step) {
	lasting, ok := s.injection.(faults.Lasting)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	if _, err := lasting.Still(ctx); err != nil {
		p.record(s, record.StepGap, nil, "", "not in force any more when it was to be healed: "+err.Error())
	}
}

// healAll undoes whatever is still in force, latest first.
func (p *plan) healAll(ctx context.Context) error {
	p.mu.Lock()
	pending := slices.Clone(p.injected)
	p.mu.Unlock()
	slices.Reverse(pending)
	var errs []error
	for _, s := range pending {
		errs = append(errs, p.heal(ctx, s))
	}
	return errors.Join(errs...)
}

// record writes one event a target node, or one without node where the aim
// was never resolved.
func (p *plan) record(s *step, name record.FaultStep, proof *faults.Proof, how, text string) {
	e := record.Event{Kind: record.EventFault, Name: name, Fault: s.id, How: how, Text: text}
	if proof != nil {
		e.Bracket = &record.Bracket{Before: record.Time(proof.Before), After: record.Time(proof.After)}
	}
	var nodes []*harness.Node
	if s.injection != nil {
		nodes = s.injection.Nodes()
	}
	if len(nodes) == 0 {
		p.drill.event(e)
		return
	}
	e.At = p.drill.clock.now()
	for _, n := range nodes {
		e.Node = n.Name()
		p.drill.event(e)
	}
}

func sleepUntil(ctx context.Context, c *clock, at record.Time) error {
	timer := time.NewTimer(at.Sub(c.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
