package runner

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// The bounds of everything that is not the load itself. They are generous:
// they exist so that a run ends, not to judge a system.
const (
	startTimeout   = 3 * time.Minute
	settleTimeout  = 45 * time.Second
	proofTimeout   = 5 * time.Second
	healTimeout    = 30 * time.Second
	quiesceTimeout = 45 * time.Second
	readTimeout    = 30 * time.Second
	stopTimeout    = 30 * time.Second
	loadLeadIn     = 150 * time.Millisecond // between "ready" and the first intended operation
)

// Errors that a caller tells apart.
var (
	// ErrInterrupted is returned when the context ended in mid-run: the run
	// was healed, cleaned up, and what it had recorded was written.
	ErrInterrupted = errors.New("interrupted")
	// ErrUnsupported is returned when this machine cannot do a declared fault.
	ErrUnsupported = errors.New("not possible on this machine")
	// ErrResidue is returned when something of the run was left behind.
	ErrResidue = errors.New("clean-up left something behind")
)

// Options are what a run needs besides its scenario.
type Options struct {
	Engine   *engine.Engine
	Dir      string // folder of run folders
	Seed     uint64 // of everything random
	Repeat   int    // which repetition this is, from 1
	Command  string // how to run it again
	Versions map[string]string
	Progress func(Progress) // called from several goroutines; may be nil
}

// Progress is a sign of life.
type Progress struct {
	Scenario string
	Phase    string
	Text     string     // what is being done
	Stats    load.Stats // of the load so far
}

// Run runs one scenario and returns the folder with its record. The folder
// exists, readable, also when err is not nil, unless it could not be made.
//
// An error means that the run could not be carried through (no engine, a
// system that does not start, a full disk, an interruption, residue); whether
// the promises were kept is for Analyze to say.
func Run(ctx context.Context, s Scenario, o Options) (dir string, err error) {
	s, err = s.drawn(o.Seed)
	if err != nil {
		return "", err
	}
	d := &drill{scenario: s, options: o, clock: newClock(), run: newRunID()}
	d.dir = filepath.Join(o.Dir, strings.ReplaceAll(s.Name, "/", "-")+"-"+d.run)
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return "", fmt.Errorf("run folder %s: %w; free some space or choose another folder with --dir", d.dir, err)
	}
	if err := d.open(); err != nil {
		return d.dir, err
	}
	runErr := d.carryThrough(ctx)
	failedIn := cmp.Or(d.failedIn, d.phase)
	stopErr := d.stop()
	return d.dir, d.conclude(ctx, failedIn, runErr, stopErr)
}

// drill is one run under way.
type drill struct {
	scenario Scenario
	options  Options
	clock    *clock
	run      string
	dir      string
	phase    string
	failedIn string // the phase of the load that ended the run, "" for none

	log    *record.Writer
	lanes  []record.Lane
	agent  *agent.Client
	env    *harness.Env
	system harness.Running
	loads  []load.Session
	echo   *components.RunningEcho
	before agent.Residue // what hadrill had changed before the first fault

	milestones atomic.Value // reading; set once the system is up
	listeners  listeners    // steps that wait for an event
	mu         sync.Mutex
}

// reading makes any Running fit an atomic.Value, which wants one type.
type reading struct{ harness.Running }

func newRunID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// carryThrough runs the phases up to the read-back.
func (d *drill) carryThrough(ctx context.Context) error {
	d.enter(record.PhaseStart)
	if err := d.start(ctx); err != nil {
		return fmt.Errorf("start %s: %w", d.scenario.System.Name(), err)
	}
	d.enter(record.PhaseSettle)
	if err := d.settle(ctx, settleTimeout); err != nil {
		return fmt.Errorf("settle %s: the steady state was never met: %w", d.scenario.System.Name(), err)
	}
	if err := d.openLoads(ctx); err != nil {
		return fmt.Errorf("open load: %w", err)
	}
	plan := newPlan(d)
	underLoad := d.drive(ctx, plan)
	if underLoad != nil {
		d.failedIn = d.phase
	}
	d.enter(record.PhaseHeal)
	// Healing happens whatever became of the load and of ctx.
	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), healTimeout)
	healErr := plan.healAll(healing)
	cancel()
	if err := errors.Join(underLoad, healErr); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.readBack(ctx)
}

// start brings up the agent first, so that from the first container on
// somebody is there to undo and to reap.
func (d *drill) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	d.agent, err = agent.Start(ctx, d.options.Engine, agent.Options{Run: d.run, Base: d.clock.base})
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if err := d.checkMechanisms(ctx); err != nil {
		return err
	}
	d.env, err = harness.NewEnv(ctx, d.options.Engine, harness.Options{
		Run: d.run, Dir: d.dir, Clock: d.clock, ClientZones: d.scenario.Clients,
		OnLog: d.onLog, OnNode: d.onNode, Progress: func(text string) { d.progress(text) }, MakeDisk: d.agent.DiskOf,
	})
	if err != nil {
		return err
	}
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		d.system, err = d.scenario.System.Start(starting, d.env)
		return err
	})
	group.Go(func() (err error) {
		d.echo, err = components.StartEcho(starting, d.env, "control")
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	d.milestones.Store(reading{d.system})
	if err := d.amendHeader(); err != nil {
		return err
	}
	d.before, err = d.agent.Audit(ctx)
	return err
}

// settle waits until the system proves its steady state.
func (d *drill) settle(ctx context.Context, within time.Duration) error {
	settler, ok := d.system.(harness.Settler)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return settler.Settle(ctx)
}

// quiesce waits until a definitive read may be made.
func (d *drill) quiesce(ctx context.Context) error {
	quiescer, ok := d.system.(harness.Quiescer)
	if !ok {
		return d.settle(ctx, quiesceTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, quiesceTimeout)
	defer cancel()
	return quiescer.Quiesce(ctx)
}

// drive runs the load open-loop from one common start, the fault schedule
// beside it, and the observers beside both.
func (d *drill) drive(ctx context.Context, plan *plan) error {
	watch := startObserver(ctx, d)
	defer watch.stop()
	ctx, release := d.guarded(ctx)
	defer release()
	start := d.clock.now().Add(loadLeadIn)
	d.enterAt(start, record.PhaseBaseline)
	group, driving := errgroup.WithContext(ctx)
	for _, session := range d.loads {
		group.Go(func() error { return session.Run(driving, start, d.scenario.Duration) })
	}
	group.Go(func() error { return plan.execute(driving, start) })
	err := group.Wait()
	if lost := lostAgent(ctx); lost != nil {
		return lost
	}
	return err
}

// readBack quiesces the system and makes the definitive read. A load that
// keeps nothing needs neither.
func (d *drill) readBack(ctx context.Context) error {
	if !slices.ContainsFunc(d.lanes, func(l record.Lane) bool { return l.Definitive }) {
		return nil
	}
	d.enter(record.PhaseQuiesce)
	if err := d.quiesce(ctx); err != nil {
		// Not the toolkit's error: that a system does not come back is a
		// result. The read says what it still has.
		d.note("not settled", err.Error())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.enter(record.PhaseReadBack)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for _, session := range d.loads {
		if err := session.ReadBack(ctx); err != nil {
			// Durability without a definitive read is judged as such; the
			// rest of the run stands.
			d.note("read-back failed", err.Error())
		}
	}
	return nil
}

// stop ends the run in the one order that lets no packet leave the machine:
// load, then what the system owns, then nodes and networks, then the agent.
func (d *drill) stop() error {
	d.enter(record.PhaseStop)
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	for _, session := range d.loads {
		errs = append(errs, session.Close())
	}
	if stopper, ok := d.system.(harness.Stopper); ok {
		errs = append(errs, stopper.Stop(ctx))
	}
	if err := d.auditResidue(ctx); err != nil {
		errs = append(errs, fmt.Errorf("run %s: %w: %w", d.run, ErrResidue, err))
	}
	if d.env != nil {
		errs = append(errs, d.env.Close(ctx))
	}
	if d.agent != nil {
		if err := d.endAgent(ctx); err != nil {
			errs = append(errs, fmt.Errorf("run %s: %w: %w", d.run, ErrResidue, err))
		}
	}
	return errors.Join(errs...)
}

// endAgent ends the agent, which heals what is not, and looks for what the run
// has left by its label: the engine's word, whatever anybody else reported.
func (d *drill) endAgent(ctx context.Context) error {
	closed := d.agent.Close(ctx)
	left, err := harness.Residue(ctx, d.options.Engine, d.run)
	if d.env != nil {
		for _, kept := range d.env.Kept() {
			d.note("engine miscounted", fmt.Sprintf("%s: %v", kept, harness.ErrMiscounted))
			left = slices.DeleteFunc(left, func(l string) bool { return l == kept })
		}
	}
	if len(left) > 0 {
		err = fmt.Errorf("%s: run `hadrill clean`", strings.Join(left, ", "))
	}
	return errors.Join(closed, err)
}
