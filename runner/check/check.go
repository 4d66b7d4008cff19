// Package check judges the history of a run: pure functions from a
// [record.Log] to findings, each with the few operations that prove it.
//
//	record.Log ──▶ Durability ─────▶ Ledger: lost, recovered, phantoms, RPO
//	    │
//	    └──▶ Run(Check) ──▶ Report ──▶ Findings with witness and picture
//	                          │
//	                          └──▶ Guarantee: what was really checked
//
// Three rules make a clean report worth something.
//
// First, silence is named. A report without findings says which guarantee was
// checked, over how many operations; none checked is vacuous, not a pass. When
// a budget forces a checker to look at less, it says what it still promises
// ([Report].Narrowed), and never runs out of memory instead.
//
// Second, nothing is accused on what is unknown. An operation whose outcome is
// info may have happened or not, and every checker accepts both.
//
// Third, the checkers are themselves checked: CATCH.md lists the defects that
// are planted into correct histories and which checker catches them; a defect
// that nobody catches fails the build.
package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// MaxFindings is how many findings of one check a report lists. The rest are
// counted in [Report].Total: the first few prove the case.
const MaxFindings = 20

// Budget bounds one run of one check. A zero field takes the default.
type Budget struct {
	Time   time.Duration // wall time; default 60 s
	Memory int64         // bytes the check may hold beside the log; default 1 GiB
}

// The defaults of a Budget.
const (
	DefaultTime   = 60 * time.Second
	DefaultMemory = 1 << 30
)

func (b Budget) orDefault() Budget {
	if b.Time <= 0 {
		b.Time = DefaultTime
	}
	if b.Memory <= 0 {
		b.Memory = DefaultMemory
	}
	return b
}

// ErrBudget is what a check returns that could not answer within its budget.
// It makes the objective inconclusive, never passed.
var ErrBudget = errors.New("check: budget spent")

// Report is what one check says about one log.
type Report struct {
	Check     string
	Guarantee string           // what holds if there are no findings
	Narrowed  string           // why Guarantee is less than the check's name promises; empty if it is not
	Checked   int              // operations, transactions or beliefs judged; 0 is vacuous
	Total     int              // violations in all
	Findings  []record.Finding // the first MaxFindings of them, or the worst
}

// Clean reports whether something was checked and nothing was found.
func (r Report) Clean() bool { return r.Checked > 0 && r.Total == 0 }

// Record returns the report as the run's result keeps it.
func (r Report) Record(err error) record.Checked {
	c := record.Checked{Check: r.Check, Guarantee: r.Guarantee, Narrowed: r.Narrowed, Checked: r.Checked, Total: r.Total}
	if err != nil {
		c.Error = err.Error()
	}
	return c
}

// add counts a violation and lists it while there is room.
func (r *Report) add(f record.Finding) {
	r.Total++
	if len(r.Findings) < MaxFindings {
		f.Check = r.Check
		if f.Picture == "" && len(f.Witness) > 0 {
			f.Picture = Timeline(f.Witness)
		}
		r.Findings = append(r.Findings, f)
	}
}

// full reports whether further findings would only be counted: callers skip
// building an expensive witness then.
func (r *Report) full() bool { return len(r.Findings) >= MaxFindings }

// Check is one consistency or durability check.
type Check interface {
	// Name is the name by which scenarios declare the check.
	Name() string
	// Doc says in one sentence what a clean report promises.
	Doc() string
	// Run judges the log. It is pure, returns soon after ctx is done, and
	// never changes the log. An error means that there is no answer.
	Run(ctx context.Context, log *record.Log, budget Budget) (Report, error)
}

// New makes a Check of a function. The report's Check field is filled in.
func New(name, doc string, run func(context.Context, *record.Log, Budget) (Report, error)) Check {
	return function{name, doc, run}
}

type function struct {
	name, doc string
	run       func(context.Context, *record.Log, Budget) (Report, error)
}

func (f function) Name() string { return f.name }
func (f function) Doc() string  { return f.doc }
func (f function) Run(ctx context.Context, log *record.Log, b Budget) (Report, error) {
	return f.run(ctx, log, b)
}

// Run runs a check within its budget. A panic inside the check and a spent
// budget come back as errors: the caller calls that inconclusive.
func Run(ctx context.Context, c Check, log *record.Log, budget Budget) (report Report, err error) {
	budget = budget.orDefault()
	ctx, cancel := context.WithTimeoutCause(ctx, budget.Time, ErrBudget)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			report, err = Report{Check: c.Name()}, fmt.Errorf("check %s panicked: %v\n%s", c.Name(), p, debug.Stack())
		}
	}()
	report, err = c.Run(ctx, log, budget)
	report.Check = c.Name()
	for i := range report.Findings {
		report.Findings[i].Check = c.Name()
	}
	if err != nil {
		err = fmt.Errorf("check %s: %w", c.Name(), err)
	}
	return report, err
}

// stopped returns why ctx is done, or nil. Checkers ask it every few thousand
// steps.
func stopped(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

var registry = map[string]Check{}

// register adds a check to the registry; only package initialisation calls it.
func register(name, doc string, run func(context.Context, *record.Log, Budget) (Report, error)) {
	if _, twice := registry[name]; twice {
		panic("check: registered twice: " + name)
	}
	registry[name] = New(name, doc, run)
}

// Lookup returns the check of a name.
func Lookup(name string) (Check, error) {
	c, ok := registry[name]
	if !ok {
		return nil, fmt.Errorf("check %q is none of %v", name, Names())
	}
	return c, nil
}

// Names returns the names of all checks, sorted.
func Names() []string { return slices.Sorted(maps.Keys(registry)) }
