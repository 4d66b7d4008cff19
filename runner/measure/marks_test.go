package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

func TestPartsThatCannotBeSaidAreLeftOut(t *testing.T) {
	tell := func(events ...record.Event) record.Incident {
		s := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 4*time.Second)
		for _, e := range events {
			s.event(time.Duration(e.At), e)
		}
		return s.analyze().Incidents[0]
	}
	declared := func(at time.Duration) record.Event {
		return record.Event{At: record.Time(at), Kind: record.EventDeclared}
	}
	owner := func(at time.Duration) record.Event {
		return record.Event{At: record.Time(at), Kind: record.EventOwner}
	}

	in := tell()
	assert.Nil(t, in.Detect, "nobody declared anything")
	assert.Nil(t, in.Failover)
	assert.Equal(t, at(4*time.Second), in.Marks.T3, "without a declared owner, the first request that took effect")
	assert.Equal(t, 0.0, *in.Reconnect)

	in = tell(declared(3500*ms), owner(6*time.Second))
	assert.Equal(t, []any{0.5, 2.5, nil, nil}, []any{value(in.Detect), value(in.Failover), value(in.Reconnect), value(in.Settle)},
		"clients were served before the new owner spoke: what lies between is not a reconnection")

	in = tell(declared(3500*ms), owner(4*time.Second+service/2))
	assert.Equal(t, in.Marks.T4, in.Marks.T3, "the operation under way when the owner was seen is the finer clock")

	in = tell(declared(2*time.Second), declared(3500*ms))
	assert.Equal(t, 0.5, *in.Detect, "what was declared before the fault is about something else")

	in = tell(record.Event{At: record.Time(3200 * ms), Kind: record.EventDeclared, Fault: "9"}, declared(3500*ms))
	assert.Equal(t, 0.5, *in.Detect, "what was declared about another fault too")
}

func TestT0IsTheLastTimeThatTheFaultWasNotSeen(t *testing.T) {
	s := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 4*time.Second)
	for i := range s.log.Events {
		if e := &s.log.Events[i]; e.Name == record.StepEffective {
			e.Bracket = &record.Bracket{Before: at(2900 * ms), After: at(3100 * ms)}
		}
	}
	in := s.analyze().Incidents[0]
	assert.Equal(t, at(2900*ms), in.Marks.T0)
	assert.InDelta(t, 1.1, *in.RTO, 1e-9, "an uncertain injection never understates the rto")
	assert.InDelta(t, 1.001, *in.Outage, 0.002, "while the outage is the clients' own")
}

func TestSteadyWaitsForLatencyAndThroughput(t *testing.T) {
	slow := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 4*time.Second).
		each(0, 4*time.Second, 6*time.Second, func(op *record.Op) { op.End = op.Intended.Add(20 * ms) }).analyze().Incidents[0]
	assert.InDelta(t, 1, *slow.RTO, 1e-9, "20 ms are within the SLO")
	assert.InDelta(t, 3, *slow.Steady, 0.11, "but not within the baseline's band")

	stays := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 4*time.Second).
		each(0, 4*time.Second, 12*time.Second, func(op *record.Op) { op.End = op.Intended.Add(20 * ms) }).analyze().Incidents[0]
	assert.Nil(t, stays.Steady)
	assert.Equal(t, record.Never, stays.Marks.T6)
}

func TestExposedIsTheTimeWithFewerThanAll(t *testing.T) {
	member := func(at time.Duration, have float64) func(*story) {
		return func(s *story) { s.event(at, record.Event{Kind: record.EventRedundancy, Number: have, Of: 3}) }
	}
	cases := []struct {
		name     string
		tell     []func(*story)
		exposed  any
		censored bool
	}{
		{"nobody counted", nil, nil, false},
		{"never fewer", []func(*story){member(time.Second, 3)}, 0.0, false},
		{"restored", []func(*story){member(time.Second, 3), member(3200*ms, 2), member(5*time.Second, 3)}, 2.0, false},
		{"fewer twice counts the first", []func(*story){member(3200*ms, 2), member(5*time.Second, 3), member(6*time.Second, 2), member(7*time.Second, 3)}, 2.0, false},
		{"already fewer before the fault", []func(*story){member(time.Second, 2), member(5*time.Second, 3)}, 2.0, false},
		{"restored after the load", []func(*story){member(3200*ms, 2), member(13*time.Second, 3)}, 10.0, false},
		{"never restored", []func(*story){member(3200*ms, 2)}, 9.0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(12*time.Second).fault(3*time.Second, 0)
			for _, tell := range c.tell {
				tell(s)
			}
			in := s.analyze().Incidents[0]
			assert.Equal(t, c.exposed, value(in.Exposed))
			assert.Equal(t, c.censored, in.ExposedCensored)
		})
	}
}

func TestOneFaultOnSeveralNodesIsOneIncident(t *testing.T) {
	s := newStory(12*time.Second).fault(3*time.Second, 0).
		event(3005*ms, record.Event{Kind: record.EventFault, Name: record.StepEffective, Fault: "1", Node: "b", How: "pidfd"})
	in := s.analyze().Incidents
	require.Len(t, in, 1)
	assert.Equal(t, []string{"a", "b"}, in[0].Nodes)
	assert.Equal(t, at(3*time.Second), in[0].Marks.T0, "the first node hit begins the incident")
}

func TestOverlappingFaultsAreFollowedTogether(t *testing.T) {
	// Isolate, then kill: the service only recovers after both.
	in := newStory(14*time.Second).fault(3*time.Second, 0).fault(5*time.Second, 0).down(3*time.Second, 7*time.Second).analyze().Incidents
	require.Len(t, in, 2)
	assert.InDelta(t, 4, *in[0].RTO, 1e-9)
	assert.InDelta(t, 2, *in[1].RTO, 1e-9)
}

func TestFiguresOfOneLane(t *testing.T) {
	s := newStory(10 * time.Second)
	s.log.Header.Lanes = append(s.log.Header.Lanes, record.Lane{Name: "other", Rate: 500})
	for _, op := range s.log.Ops {
		if op.Lane == 0 {
			op.Lane, op.Outcome = 2, record.Fail
			s.log.Ops = append(s.log.Ops, op)
		}
	}
	r := s.promise(
		ratioObjective("availability.requests@main", 0.999), ratioObjective("availability.requests@other", 0.999),
		ratioObjective("availability.requests", 0.999), ratioObjective("availability.worst_window.2500ms@main", 0.999),
		ratioObjective("availability.time.1s@main", 0.999), ratioObjective("availability.worst_window.100s", 0.9),
		objective("latency.p99@main", 0.1), objective("latency.p99.during", 0.1),
	).analyze()
	var got []string
	for _, j := range r.Judgements {
		got = append(got, j.Verdict.String())
	}
	assert.Equal(t, []string{"pass", "fail", "fail", "pass", "pass", "vacuous", "pass", "vacuous"}, got)
	assert.Equal(t, 0.5, *r.Judgements[2].Value)
}

func TestALaneBesideTheServiceIsJudgedByItsNameAlone(t *testing.T) {
	hits := record.Objective{Name: "availability.requests@cache/hits", Kind: record.KindAvailability, Unit: "ratio", Target: 0.9, Limit: 0.9, Higher: true}
	tell := func(aside bool) *record.Result {
		s := newStory(12*time.Second).fault(3*time.Second, 0).writes()
		s.log.Header.Lanes = append(s.log.Header.Lanes, record.Lane{Name: "cache/hits", Rate: 500, Aside: aside})
		for _, op := range s.log.Ops {
			if op.Lane == 0 && op.Intended > at(6*time.Second) {
				op.Lane, op.Outcome = 2, record.Fail
				s.log.Ops = append(s.log.Ops, op)
			}
		}
		return s.promise(objective("rto", 1), hits).analyze()
	}
	verdicts := func(r *record.Result) []record.Verdict {
		return []record.Verdict{r.Judgements[0].Verdict, r.Judgements[1].Verdict}
	}
	assert.Equal(t, []record.Verdict{record.Pass, record.Failed}, verdicts(tell(true)))
	assert.Equal(t, []record.Verdict{record.Failed, record.Failed}, verdicts(tell(false)))
}

func TestClientsThatTheScenarioCutsOffAreNotJudgedButTheirWritesCount(t *testing.T) {
	tell := func(cutOff bool) *record.Result {
		s := newStory(12*time.Second).fault(3*time.Second, 0).writes()
		s.log.Header.Lanes = append(s.log.Header.Lanes, record.Lane{Name: "minority", Rate: 500, CutOff: cutOff})
		for _, op := range s.log.Ops {
			if op.Lane == 0 && op.Intended > at(6*time.Second) {
				op.Lane, op.Outcome = 2, record.Info
				s.log.Ops = append(s.log.Ops, op)
			}
		}
		return s.promise(objective("rto", 1), record.Objective{Name: "lost", Kind: record.KindDurability, Unit: "ops"}).analyze()
	}
	assert.Equal(t, record.Pass, tell(true).Verdict)
	assert.Equal(t, record.Failed, tell(false).Verdict)
}
