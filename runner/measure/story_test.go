package measure

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// story is a run told by hand: constant load on one lane beside a control
// lane, and what went wrong when. Times are since the load began.
type story struct {
	log      record.Log
	evidence record.Evidence
	length   time.Duration
}

const (
	origin  = record.Time(3 * time.Second) // the load begins here, so that nothing hangs on zero
	spacing = 2 * time.Millisecond
	service = time.Millisecond
)

const ms = time.Millisecond

func at(d time.Duration) record.Time { return origin.Add(d) }

// newStory is a healthy run of the given length: 500 operations a second,
// each answered after 1 ms, and a quiet control lane.
func newStory(length time.Duration) *story {
	s := &story{length: length}
	s.log.Errors = []string{""}
	s.log.Header = record.Header{
		Schema: record.SchemaVersion, Run: "r1",
		Scenario: record.Scenario{
			Name: "test/story", Row: "test", Duration: length,
			SLO:        record.SLO{Latency: 100 * ms, Success: 0.99, Slice: 100 * ms, Stable: 2 * time.Second},
			Resolution: 50 * ms,
		},
		Lanes: []record.Lane{{Name: "main", Rate: 500}, {Name: "control", Rate: 500, Control: true}},
	}
	for t := time.Duration(0); t < length; t += spacing {
		for lane := range uint8(2) {
			s.log.Ops = append(s.log.Ops, record.Op{
				Intended: at(t), Start: at(t), End: at(t + service), Lane: lane,
				Function: record.Request, Outcome: record.Ok, Process: uint32(lane),
			})
		}
	}
	s.phase(0, record.PhaseBaseline)
	s.phase(length, record.PhaseHeal)
	return s
}

func (s *story) event(t time.Duration, e record.Event) *story {
	e.At = at(t)
	i := len(s.log.Events)
	for i > 0 && s.log.Events[i-1].At > e.At {
		i--
	}
	s.log.Events = append(s.log.Events[:i], append([]record.Event{e}, s.log.Events[i:]...)...)
	return s
}

func (s *story) phase(t time.Duration, name string) *story {
	return s.event(t, record.Event{Kind: record.EventPhase, Name: name})
}

// fault plans a fault, proves it at t and proves its healing at heal (zero:
// after the load).
func (s *story) fault(t, heal time.Duration) *story {
	sc := &s.log.Header.Scenario
	id := string(rune('1' + len(sc.Faults)))
	plan := record.FaultPlan{ID: id, Fault: "kill", Aim: "primary", At: t}
	if heal > 0 {
		plan.For = heal - t
	} else {
		heal = s.length + 10*ms
	}
	if len(sc.Faults) == 0 {
		s.phase(t, record.PhaseFault)
	}
	sc.Faults = append(sc.Faults, plan)
	s.event(t, record.Event{Kind: record.EventFault, Name: record.StepEffective, Fault: id, Node: "a", How: "pidfd",
		Bracket: &record.Bracket{Before: at(t), After: at(t + ms)}})
	return s.event(heal, record.Event{Kind: record.EventFault, Name: record.StepHealed, Fault: id, Node: "a", How: "probe",
		Bracket: &record.Bracket{Before: at(heal), After: at(heal + ms)}})
}

// each edits the operations of a lane that were due in [from, to).
func (s *story) each(lane uint8, from, to time.Duration, edit func(op *record.Op)) *story {
	for i := range s.log.Ops {
		if op := &s.log.Ops[i]; op.Lane == lane && at(from) <= op.Intended && op.Intended < at(to) {
			edit(op)
		}
	}
	return s
}

// down refuses every operation due in [from, to).
func (s *story) down(from, to time.Duration) *story {
	return s.each(0, from, to, func(op *record.Op) { op.Outcome = record.Fail })
}

// stall makes the service answer nothing during [from, to): what was due
// waits and is answered at to.
func (s *story) stall(lane uint8, from, to time.Duration) *story {
	return s.each(lane, from, to, func(op *record.Op) { op.End = at(to + service) })
}

// writes turns the main lane into writes, with a ledger in which all is kept.
func (s *story) writes() *story {
	n := 0
	s.each(0, 0, s.length, func(op *record.Op) {
		op.Function = record.Add
		if op.Outcome == record.Ok {
			n++
		}
	})
	s.evidence.Ledger = &record.Ledger{Acknowledged: n, Present: n, InWindow: n, Definitive: true}
	return s
}

func (s *story) promise(os ...record.Objective) *story {
	s.log.Header.Scenario.Objectives = append(s.log.Header.Scenario.Objectives, os...)
	return s
}

func (s *story) analyze() *record.Result { return Analyze(&s.log, s.evidence) }

// objective promises at most limit.
func objective(name string, limit float64) record.Objective {
	return record.Objective{Name: name, Kind: record.KindRTO, Unit: "s", Target: limit / 2, Limit: limit}
}

func ratioObjective(name string, limit float64) record.Objective {
	return record.Objective{Name: name, Kind: record.KindAvailability, Unit: "ratio", Higher: true, Target: 1 - (1-limit)/10, Limit: limit}
}

func figure(t *testing.T, r *record.Result, name string) float64 {
	t.Helper()
	for _, f := range r.Figures {
		if f.Name == name && f.Lane == "" {
			return f.Value
		}
	}
	require.Failf(t, "no figure", "%s is not among the figures", name)
	return 0
}

func encode(t *testing.T, r *record.Result) string {
	t.Helper()
	b, err := json.Marshal(r)
	require.NoError(t, err)
	return string(b)
}

func value(p *float64) any {
	if p == nil {
		return nil
	}
	return *p
}
