package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

func TestAHealthyRunWithoutFaultsScoresFullMarksAndFindsNothing(t *testing.T) {
	r := newStory(10*time.Second).writes().promise(
		ratioObjective("availability.requests", 0.999),
		ratioObjective("availability.worst_window.1s", 0.99),
		objective("rto", 1),
		objective("latency.p99", 0.1),
		record.Objective{Name: "lost", Kind: record.KindDurability, Unit: "ops"},
	).analyze()

	assert.Equal(t, record.Pass, r.Verdict, r.Reason)
	require.NotNil(t, r.Score)
	assert.InDelta(t, 100, *r.Score, 0.01)
	assert.Empty(t, r.Caps)
	assert.Empty(t, r.Incidents)
	assert.Equal(t, 1.0, figure(t, r, "availability.requests"))
	assert.Equal(t, 0.0, figure(t, r, "rto"))
	assert.InEpsilon(t, 0.001, figure(t, r, "latency.p99"), 0.002)
	assert.InDelta(t, 0.002, figure(t, r, "outage"), 0.0011, "the longest span without a good operation is the spacing")
	assert.True(t, r.Instrument.Quiet)
}

func TestAKillIsMeasuredAsToldByHand(t *testing.T) {
	r := newStory(12*time.Second).
		fault(4*time.Second, 0).
		down(4*time.Second, 5500*ms).
		event(4500*ms, record.Event{Kind: record.EventDeclared, Node: "b"}).
		event(5200*ms, record.Event{Kind: record.EventOwner, Node: "b"}).
		event(4100*ms, record.Event{Kind: record.EventRedundancy, Number: 2, Of: 3}).
		event(9*time.Second, record.Event{Kind: record.EventRedundancy, Number: 3, Of: 3}).
		promise(objective("rto", 2), objective("exposed", 10)).analyze()

	require.Len(t, r.Incidents, 1)
	in := r.Incidents[0]
	assert.Equal(t, record.Marks{
		T0: at(4 * time.Second), T1: at(4 * time.Second), T2: at(4500 * ms), T3: at(5200 * ms),
		T4: at(5500 * ms), T5: at(5500 * ms), T6: at(5500 * ms), T7: at(9 * time.Second),
	}, in.Marks)
	assert.Equal(t, []any{0.5, 0.7, 0.3, 0.0, 1.5, 1.5, 5.0},
		[]any{*in.Detect, *in.Failover, *in.Reconnect, *in.Settle, *in.RTO, *in.Steady, *in.Exposed})
	assert.InDelta(t, 1.501, *in.Outage, 0.0005)
	assert.Equal(t, 750.0, figure(t, r, "errors"))
	assert.Equal(t, 1-750.0/6000, figure(t, r, "availability.requests"))
	assert.Equal(t, 105.0/120, figure(t, r, "availability.time"))
	assert.Equal(t, 0.0, figure(t, r, "availability.worst_window.1s"))
	assert.Equal(t, 0.25, figure(t, r, "availability.worst_window.2s"))
	assert.Equal(t, record.Pass, r.Verdict, r.Reason)
	// 1.5 s of full outage against 1 % of 30 days.
	assert.InDelta(t, 1.5/25920, figure(t, r, "budget.share"), 1e-12)
	assert.InDelta(t, 17280, figure(t, r, "budget.failures_per_month"), 1e-6)
}

func TestRTOEndsAtTheFirstStableWindowNotAtTheFirstSuccess(t *testing.T) {
	cases := []struct {
		name string
		tell func(*story)
		rto  float64
	}{
		{"nothing was hit", func(*story) {}, 0},
		{"one outage", func(s *story) { s.down(3*time.Second, 4*time.Second) }, 1},
		{"the outage begins late", func(s *story) { s.down(3500*ms, 4*time.Second) }, 1},
		{"flapping", func(s *story) { s.down(3*time.Second, 4*time.Second).down(5*time.Second, 5200*ms) }, 2.2},
		{"a relapse after a stable window is a relapse", func(s *story) { s.down(3*time.Second, 4*time.Second).down(8*time.Second, 8200*ms) }, 5.2},
		{"a stray error within the SLO is none", func(s *story) { s.down(3*time.Second, 4*time.Second).down(8*time.Second, 8*time.Second+spacing) }, 1},
		{"every other operation fails", func(s *story) {
			n := 0
			s.each(0, 3*time.Second, 4*time.Second, func(op *record.Op) {
				if n++; n%2 == 1 {
					op.Outcome = record.Info
				}
			})
		}, 0.998},
		{"too late is as bad as failed", func(s *story) {
			s.each(0, 3*time.Second, 4*time.Second, func(op *record.Op) { op.End = op.Intended.Add(101 * ms) })
		}, 1},
		{"a declared degraded answer is good", func(s *story) {
			s.each(0, 3*time.Second, 4*time.Second, func(op *record.Op) { op.Outcome = record.Degraded })
		}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(12*time.Second).fault(3*time.Second, 0)
			c.tell(s)
			in := s.analyze().Incidents[0]
			require.NotNil(t, in.RTO)
			assert.False(t, in.Censored)
			assert.InDelta(t, c.rto, *in.RTO, 1e-9)
		})
	}
}

func TestWhatDoesNotRecoverIsCensoredNeverDropped(t *testing.T) {
	tell := func(limit float64) *record.Result {
		return newStory(8*time.Second).fault(3*time.Second, 0).down(3*time.Second, 8*time.Second).promise(objective("rto", limit)).analyze()
	}
	r := tell(2)
	assert.True(t, r.Incidents[0].Censored)
	assert.Equal(t, record.Never, r.Incidents[0].Marks.T5)
	assert.InDelta(t, 5, *r.Incidents[0].RTO, 0.002)
	assert.Equal(t, record.Failed, r.Verdict)
	assert.Contains(t, r.Reason, "more than")

	assert.Equal(t, record.Inconclusive, tell(7).Verdict, "a run that ended before its limit cannot say")
}

func TestAnOutageAtFailbackCountsAndIsItsOwnIncident(t *testing.T) {
	r := newStory(14*time.Second).
		fault(3*time.Second, 8*time.Second).
		down(3*time.Second, 4*time.Second).
		down(8*time.Second, 10*time.Second).
		promise(objective("rto", 1.5)).analyze()
	require.Len(t, r.Incidents, 2)
	assert.False(t, r.Incidents[0].Failback)
	assert.InDelta(t, 1, *r.Incidents[0].RTO, 1e-9)
	assert.True(t, r.Incidents[1].Failback)
	assert.InDelta(t, 2, *r.Incidents[1].RTO, 1e-9)
	assert.Equal(t, record.Failed, r.Verdict, "the worst incident is held against the limit")
}

func TestAServiceThatOnlyComesBackWithItsNodeWasDownAllThatTime(t *testing.T) {
	r := newStory(14*time.Second).fault(3*time.Second, 8*time.Second).down(3*time.Second, 8200*ms).analyze()
	assert.InDelta(t, 5.2, *r.Incidents[0].RTO, 1e-9)
	assert.InDelta(t, 0.2, *r.Incidents[1].RTO, 1e-9)
}

func TestCalibrationComparesMeasuredWithKnownOutages(t *testing.T) {
	known := []time.Duration{50 * ms, 250 * ms, time.Second}
	s := newStory(20 * time.Second)
	s.log.Header.Scenario.KnownOutages = known
	for i, d := range known {
		from := time.Duration(i*5+3) * time.Second
		s.fault(from, from+d).stall(0, from, from+d)
	}
	r := s.promise(objective("calibration.error", 0.01)).analyze()
	require.NotNil(t, r.Instrument.Calibration)
	assert.LessOrEqual(t, *r.Instrument.Calibration, 0.003)
	assert.Equal(t, record.Pass, r.Verdict, r.Reason)
}

func TestLatencyIsCountedFromTheIntendedStart(t *testing.T) {
	// A stall of 1 s: whoever was due at its beginning waited for all of it.
	r := newStory(10*time.Second).fault(4*time.Second, 5*time.Second).stall(0, 4*time.Second, 5*time.Second).analyze()
	assert.InEpsilon(t, 1.001, r.Lanes[0].Max, 0.001)
	assert.InEpsilon(t, 0.901, figure(t, r, "latency.p99"), 0.01, "1 % of 5000 operations waited longer than 0.9 s")
	assert.InEpsilon(t, 0.001, figure(t, r, "latency.p99.before"), 0.01)
	assert.Greater(t, figure(t, r, "latency.p99.during"), 0.9)
	assert.Less(t, figure(t, r, "latency.p99.after"), 0.11)
}

func TestBrownoutIsSlicesThatAnswerTooLate(t *testing.T) {
	r := newStory(10*time.Second).
		each(0, 4*time.Second, 6*time.Second, func(op *record.Op) { op.End = op.Intended.Add(300 * ms) }).
		down(7*time.Second, 8*time.Second).analyze()
	assert.InDelta(t, 2, figure(t, r, "brownout"), 1e-9, "an outage is no brown-out")
}

func TestTheSameLogGivesTheSameBytes(t *testing.T) {
	tell := func() *story {
		s := newStory(8*time.Second).fault(3*time.Second, 5*time.Second).down(3*time.Second, 4*time.Second).writes()
		s.log.Errors = []string{"", "refused", "reset", "timeout"}
		n := uint16(0)
		s.each(0, 3*time.Second, 4*time.Second, func(op *record.Op) { n++; op.Error = 1 + n%3 })
		return s.promise(objective("rto", 2), ratioObjective("availability.requests", 0.9))
	}
	first := encode(t, tell().analyze())
	for range 20 {
		require.Equal(t, first, encode(t, tell().analyze()))
	}
	shuffled := tell()
	for i, j := 0, len(shuffled.log.Ops)-1; i < j; i, j = i+1, j-1 {
		shuffled.log.Ops[i], shuffled.log.Ops[j] = shuffled.log.Ops[j], shuffled.log.Ops[i]
	}
	require.Equal(t, first, encode(t, shuffled.analyze()), "the order in which operations were written says nothing")
}
