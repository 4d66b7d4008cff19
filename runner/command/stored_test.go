package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/redis"
	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// stored is a run to be told by hand: a constant load whose operations are
// refused during an outage, beside a quiet control lane.
type stored struct {
	scenario string
	twinOf   string
	outage   time.Duration // after the fault; the limit of rto is 3 s
	unproven bool
	silent   bool // no load at all
	broken   bool // the toolkit failed
	repeat   int
	night    int // days after the first
}

const (
	loadBegins = record.Time(time.Second)
	loadTakes  = 8 * time.Second
	faultAt    = 2 * time.Second
	spacing    = 10 * time.Millisecond
)

// judged writes the run's log into dir and returns what measure says of it.
func (s stored) judged(t *testing.T, dir string) *record.Result {
	t.Helper()
	name := fmt.Sprintf("%x-%s-%d-%d-%d", len(s.scenario), s.scenario, s.night, s.repeat, s.outage.Milliseconds())
	h := record.Header{
		Schema: record.SchemaVersion, Run: name, Repeat: s.repeat, Seed: 7, Command: "hadrill run --seed 7 " + s.scenario,
		WallStart: time.Date(2026, 3, 14, 2, s.repeat, 0, 0, time.UTC).AddDate(0, 0, s.night),
		Lanes:     []record.Lane{{Name: "main", Rate: 100}, {Name: "control", Rate: 100, Control: true}},
		Scenario: record.Scenario{
			Name: s.scenario, Row: filepath.Dir(s.scenario), TwinOf: s.twinOf, Profile: "quick", Duration: loadTakes, Resolution: 50 * time.Millisecond,
			SLO:    record.SLO{Latency: 100 * time.Millisecond, Success: 0.99, Slice: 100 * time.Millisecond, Stable: 2 * time.Second},
			Faults: []record.FaultPlan{{ID: "1", Fault: "kill", Aim: "primary", At: faultAt}},
			Objectives: []record.Objective{
				{Name: "rto", Kind: record.KindRTO, Unit: "s", Target: 2, Limit: 3},
				{Name: "availability.requests", Kind: record.KindAvailability, Unit: "ratio", Higher: true, Target: .7, Limit: .4},
			},
		},
	}
	if s.twinOf != "" {
		h.Scenario.Expect = []string{"rto"}
	}
	if s.broken {
		h.Scenario.Objectives[0].Name = "no-such-figure"
	}
	w, err := record.Create(filepath.Join(dir, runner.LogName), h)
	require.NoError(t, err)
	s.events(t, w)
	s.operations(t, w)
	require.NoError(t, w.Close())
	log, err := record.Open(filepath.Join(dir, runner.LogName))
	require.NoError(t, err)
	return measure.Analyze(log, record.Evidence{})
}

func (s stored) events(t *testing.T, w *record.Writer) {
	step := record.StepEffective
	if s.unproven {
		step = record.StepUnproven
	}
	at := loadBegins.Add(faultAt)
	bracket := &record.Bracket{Before: at, After: at.Add(time.Millisecond)}
	for _, e := range []record.Event{
		{At: loadBegins, Kind: record.EventPhase, Name: record.PhaseBaseline},
		{At: at, Kind: record.EventPhase, Name: record.PhaseFault},
		{At: at, Kind: record.EventFault, Name: step, Fault: "1", Node: "a", How: "pidfd", Bracket: bracket},
		{At: loadBegins.Add(loadTakes), Kind: record.EventPhase, Name: record.PhaseHeal},
		{At: loadBegins.Add(loadTakes), Kind: record.EventFault, Name: record.StepHealed, Fault: "1", Node: "a", How: "probe", Bracket: bracket},
	} {
		require.NoError(t, w.Event(e))
	}
}

func (s stored) operations(t *testing.T, w *record.Writer) {
	if s.silent {
		return
	}
	b := w.Buffer()
	for at := time.Duration(0); at < loadTakes; at += spacing {
		for lane := range uint8(2) {
			op := record.Op{Intended: loadBegins.Add(at), Start: loadBegins.Add(at), End: loadBegins.Add(at + time.Millisecond),
				Lane: lane, Process: uint32(lane), Function: record.Request, Outcome: record.Ok}
			if lane == 0 && at >= faultAt && at < faultAt+s.outage {
				op.Outcome = record.Fail
			}
			require.NoError(t, b.Append(&op))
		}
	}
	require.NoError(t, b.Close())
}

// store writes runs as folders in dir and returns dir.
func store(t *testing.T, dir string, runs ...stored) string {
	t.Helper()
	for _, s := range runs {
		folder := filepath.Join(dir, fmt.Sprintf("%s-%d-%d", filepath.Base(s.scenario), s.repeat, s.night))
		require.NoError(t, os.MkdirAll(folder, 0o755))
		b, err := json.Marshal(s.judged(t, folder))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, reports.RunFile), b, 0o644))
	}
	return dir
}

// The scenarios of the stored runs.
const (
	primaryKill = "cache/redis-sentinel/primary-kill"
	pauseKill   = "cache/redis-sentinel/primary-pause"
)

// repeated is n runs of a scenario whose outage varies a little.
func repeated(s stored, n int) []stored {
	var out []stored
	for i := range n {
		r := s
		r.repeat, r.outage = i+1, s.outage+time.Duration(i%5)*20*time.Millisecond
		out = append(out, r)
	}
	return out
}

func kills(n int, outage time.Duration, night int) []stored {
	return repeated(stored{scenario: primaryKill, outage: outage, night: night}, n)
}

// declaredHere is what the command under test knows.
func declaredHere() []runner.Scenario {
	promise := runner.Promises{runner.RTO(2*time.Second, 3*time.Second)}
	system, sets := redis.Sentinel{Replicas: 2, Sentinels: 3}, load.Sets{Rate: 100, Sets: 4}
	return []runner.Scenario{
		{Name: primaryKill, Row: "cache/redis-sentinel", Profile: runner.Quick, System: system, Load: sets, Promises: promise},
		{Name: pauseKill, Row: "cache/redis-sentinel", Profile: runner.Nightly, System: system, Load: sets, Promises: promise},
		{Name: "cache/redis-sentinel/primary-kill-unguarded", Row: "cache/redis-sentinel", Profile: runner.Nightly, System: system, Load: sets,
			Promises: promise, TwinOf: primaryKill, Expect: runner.FailsOn("rto")},
	}
}

// hadrill runs the command in this process.
func hadrill(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	a := &app{scenarios: declaredHere(), out: &out, err: &err}
	root := a.root()
	root.SetArgs(args)
	code = a.report(root.Execute())
	return code, out.String(), err.String()
}
