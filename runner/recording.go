package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// event writes one event, at its own time or now. The log keeps the first
// failure to write, see conclude: what was recorded before it stays readable.
func (d *drill) event(e record.Event) {
	if e.At == 0 {
		e.At = d.clock.now()
	}
	_ = d.log.Event(e)
	d.listeners.hear(e)
}

func (d *drill) note(name, text string) {
	d.event(record.Event{Kind: record.EventNote, Name: name, Text: text})
}

// enter begins a phase.
func (d *drill) enter(phase string) { d.enterAt(d.clock.now(), phase) }

func (d *drill) enterAt(at record.Time, phase string) {
	d.mu.Lock()
	d.phase = phase
	d.mu.Unlock()
	d.event(record.Event{At: at, Kind: record.EventPhase, Name: phase})
	d.progress("")
}

func (d *drill) progress(text string) {
	if d.options.Progress == nil {
		return
	}
	d.mu.Lock()
	p := Progress{Scenario: d.scenario.Name, Phase: d.phase, Text: text}
	sessions := d.loads
	d.mu.Unlock()
	for _, s := range sessions {
		p.Stats = p.Stats.Plus(s.Stats())
	}
	d.options.Progress(p)
}

// agentEvent records what the agent reported by itself. What it lost or failed
// at is the toolkit's failure; a gap under fault is the run's to weigh.
func (d *drill) agentEvent(e agent.Event) {
	out := record.Event{At: record.Time(e.At), Kind: record.EventFault, Node: e.Node, Text: e.Text}
	switch e.Kind {
	case agent.EventGap, agent.EventLost:
		out.Name = record.StepGap
		out.Bracket = &record.Bracket{Before: record.Time(e.Before), After: record.Time(e.After)}
	case agent.EventProblem:
		out.Kind, out.Name = record.EventError, "agent"
	default:
		return // deaths and starts come from the engine's events, too
	}
	d.event(out)
}

// open creates the event log with everything that is known before the start.
func (d *drill) open() (err error) {
	d.lanes = append(d.scenario.Load.Lanes(), load.Control{}.Lanes()...)
	d.log, err = record.Create(filepath.Join(d.dir, LogName), record.Header{
		Schema: record.SchemaVersion, Run: d.run, WallStart: d.clock.start.Round(0),
		Scenario: d.scenario.Declaration(), Lanes: d.lanes, Seed: d.options.Seed,
		Command: d.options.Command, Versions: d.options.Versions, Repeat: d.options.Repeat,
	})
	return err
}

// amendHeader adds what only the start could tell: images and versions.
func (d *drill) amendHeader() error {
	return d.log.Amend(func(h *record.Header) {
		h.Images = d.env.Images()
		versions := maps.Clone(h.Versions)
		if versions == nil {
			versions = map[string]string{}
		}
		maps.Copy(versions, d.env.Versions())
		h.Versions = versions
	})
}

// checkMechanisms refuses, before anything else is started, a schedule that
// this machine cannot carry out, and records by which mechanism it will.
func (d *drill) checkMechanisms(ctx context.Context) error {
	if len(d.scenario.Faults) == 0 {
		return nil
	}
	machine, err := d.agent.Probe(ctx)
	if err != nil {
		return fmt.Errorf("probe this machine: %w", err)
	}
	var errs []error
	for i, step := range d.scenario.Faults {
		used, err := faults.Check(machine, step.Fault)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrUnsupported, err))
			continue
		}
		for _, m := range used {
			_, why := machine.Has(string(m))
			d.event(record.Event{Kind: record.EventNote, Name: "mechanism", Fault: strconv.Itoa(i + 1), Text: string(m), How: why})
		}
	}
	return errors.Join(errs...)
}

// openLoads connects the scenario's load, and the control lane after it.
func (d *drill) openLoads(ctx context.Context) error {
	target := load.Target{
		Running: d.system, Vantage: d.vantage, Recorder: d.log, Clock: d.clock, Seed: d.options.Seed,
	}
	session, err := d.scenario.Load.Open(ctx, target)
	if err != nil {
		return err
	}
	d.keep(session)
	target.LaneBase = uint8(len(d.scenario.Load.Lanes()))
	control, err := load.Control{URL: d.echo.URL()}.Open(ctx, target)
	if err != nil {
		return err
	}
	d.keep(control)
	return nil
}

func (d *drill) keep(s load.Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loads = append(d.loads, s)
}

func (d *drill) vantage(zone string) (harness.Vantage, error) {
	if zone == "" {
		return d.env.Data(), nil
	}
	return d.env.Client(zone)
}

// auditResidue compares what hadrill has changed on the nodes with what it had
// before the first fault: after the last heal the two must agree.
func (d *drill) auditResidue(ctx context.Context) error {
	if d.agent == nil || d.before == nil {
		return nil
	}
	after, err := d.agent.Audit(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, left := range after.Beyond(d.before) {
		errs = append(errs, errors.New("not undone: "+left))
	}
	return errors.Join(errs...)
}
