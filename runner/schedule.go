package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// plan carries out a fault schedule on the timeline of the load.
//
//	load   ├─ baseline ─┬──── fault ────┬──── recovery ────┤ heal
//	step 1              inject ▸ proof  heal ▸ proof       (if not yet)
type plan struct {
	drill *drill
	field *faults.Field
	steps []*step

	mu       sync.Mutex
	injected []*step // in the order of injection; healed in reverse
}

type step struct {
	faults.Step
	id        string
	injection faults.Injection
	healed    bool
}

func newPlan(d *drill) *plan {
	p := &plan{drill: d, field: &faults.Field{System: d.system, Agent: d.agent, Source: func(zone string) (string, error) {
		if addr := d.env.GatewayOf(zone); addr.IsValid() {
			return addr.String(), nil
		}
		return "", fmt.Errorf("client zone %q: the run has none of this name", zone)
	}}}
	for i, s := range d.scenario.Faults {
		p.steps = append(p.steps, &step{Step: s, id: fmt.Sprint(i + 1)})
	}
	return p
}

// moment is one thing that a plan does at a time of the load.
type moment struct {
	at   time.Duration
	heal bool
	step *step
}

// execute injects and heals at the declared times and returns when the last
// moment has passed. Moments that fall together run in declared order.
func (p *plan) execute(ctx context.Context, start record.Time) error {
	var moments []moment
	for _, s := range p.steps {
		moments = append(moments, moment{at: s.At, step: s})
		if s.For > 0 {
			moments = append(moments, moment{at: s.At + s.For, heal: true, step: s})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return int(a.at - b.at) })
	for i, m := range moments {
		if err := sleepUntil(ctx, p.drill.clock, start.Add(m.at)); err != nil {
			return err
		}
		if i == 0 {
			p.drill.enter(record.PhaseFault)
		}
		if err := p.perform(ctx, m); err != nil {
			return err
		}
		if i == len(moments)-1 {
			p.drill.enter(record.PhaseRecovery)
		}
	}
	return nil
}

func (p *plan) perform(ctx context.Context, m moment) error {
	if m.heal {
		return p.heal(ctx, m.step)
	}
	return p.inject(ctx, m.step)
}

func (p *plan) inject(ctx context.Context, s *step) error {
	p.record(s, record.StepInjecting, nil, "", "")
	injection, err := s.Fault.Inject(ctx, p.field)
	if err != nil {
		p.record(s, record.StepFailed, nil, "", err.Error())
		return fmt.Errorf("inject fault %s (%s %s): %w", s.id, s.Fault.Spec().Fault, s.Fault.Spec().Aim, err)
	}
	p.mu.Lock()
	s.injection = injection
	p.injected = append(p.injected, s)
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	proof, err := injection.Effective(ctx)
	if err != nil {
		p.record(s, record.StepUnproven, nil, "", err.Error())
		return nil // not an error: the verdict will be inconclusive
	}
	p.record(s, record.StepEffective, &proof, proof.How, proof.Detail)
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
		return nil
	}
	p.record(s, record.StepHealed, &proof, proof.How, proof.Detail)
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
