package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

func TestASurgeIsMeasuredAgainstTheCapacity(t *testing.T) {
	cases := []struct {
		name     string
		tell     func(*story)
		goodput  float64 // of 500/s offered, capacity 400/s
		recovery float64
		censored bool
	}{
		{"nothing was turned away", func(*story) {}, 1.25, 0, false},
		{"half was turned away", func(s *story) {
			n := 0
			s.each(0, 2*time.Second, 4*time.Second, func(op *record.Op) {
				if n++; n%2 == 0 {
					op.Outcome = record.Fail
				}
			})
		}, 0.625, 0, false},
		{"the queue had to drain", func(s *story) { s.down(2*time.Second, 5500*ms) }, 0, 1.5, false},
		{"it never came back", func(s *story) { s.down(3*time.Second, 12*time.Second) }, 0.625, 8, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(12 * time.Second)
			s.log.Header.Scenario.Surge = &record.Surge{From: 2 * time.Second, To: 4 * time.Second, Capacity: 400}
			c.tell(s)
			r := s.promise(ratioObjective("surge.goodput", 0.8), objective("surge.recovery", 5)).analyze()
			assert.InDelta(t, c.goodput, figure(t, r, "surge.goodput"), 1e-9)
			assert.InDelta(t, c.recovery, figure(t, r, "surge.recovery"), 0.003)
			require.Len(t, r.Judgements, 2)
			assert.Equal(t, c.censored, r.Judgements[1].Censored)
			assert.Equal(t, c.goodput >= 0.8, r.Judgements[0].Verdict == record.Pass)
			assert.Equal(t, c.recovery <= 5, r.Judgements[1].Verdict == record.Pass)
		})
	}
}

func TestWithoutASurgeNothingIsSaidOfOne(t *testing.T) {
	r := newStory(4*time.Second).promise(ratioObjective("surge.goodput", 0.8), objective("surge.recovery", 5)).analyze()
	for _, j := range r.Judgements {
		assert.Equal(t, record.Vacuous, j.Verdict)
	}
}

func TestDegradedAnswersAreGoodAndCounted(t *testing.T) {
	n := 0
	r := newStory(4*time.Second).each(0, 0, 4*time.Second, func(op *record.Op) {
		if n++; n%4 == 0 {
			op.Outcome = record.Degraded
		}
	}).promise(ratioObjective("degraded", 0.2), ratioObjective("degraded@main", 0.2), ratioObjective("availability.requests", 1)).analyze()
	assert.Equal(t, record.Pass, r.Verdict, r.Reason)
	assert.InDelta(t, 0.25, figure(t, r, "degraded"), 1e-9)

	none := newStory(4 * time.Second).promise(ratioObjective("degraded", 0.2)).analyze()
	assert.Equal(t, record.Vacuous, none.Verdict, "a fallback that was never needed is not proven")
}

func TestTheRiseOfLatencyIsThatUnderTheFaultAlone(t *testing.T) {
	slow := func(from, to time.Duration) *record.Result {
		return newStory(10*time.Second).fault(3*time.Second, 6*time.Second).
			each(0, from, to, func(op *record.Op) { op.End = op.Intended.Add(3 * service) }).
			promise(objective("latency.p99.rise@main", 0.2)).analyze()
	}
	assert.InDelta(t, 2, *slow(3*time.Second, 6*time.Second).Judgements[0].Value, 1e-6)
	assert.InDelta(t, 0, *slow(6*time.Second, 10*time.Second).Judgements[0].Value, 1e-6, "after the healing")
	assert.InDelta(t, 0, *slow(3*time.Second, 3010*ms).Judgements[0].Value, 1e-6, "less than one in a hundred")
	quiet := newStory(4 * time.Second).promise(objective("latency.p99.rise", 0.2)).analyze()
	assert.Equal(t, record.Vacuous, quiet.Verdict)
}

func TestTheFailbacksRecoveryIsCountedFromTheHealing(t *testing.T) {
	r := newStory(12*time.Second).fault(2*time.Second, 6*time.Second).down(2*time.Second, 6800*ms).
		promise(objective("rto.failback", 1)).analyze()
	assert.Equal(t, record.Pass, r.Verdict, r.Reason)
	assert.InDelta(t, 0.8, figure(t, r, "rto.failback"), 0.003)
}

func TestNodesThatWereStartedAgainAreCounted(t *testing.T) {
	start := func(node string) record.Event {
		return record.Event{Kind: record.EventNode, Name: "start", Node: node}
	}
	tell := func(events ...record.Event) *record.Result {
		s := newStory(8*time.Second).fault(2*time.Second, 4*time.Second).event(-time.Second, start("web"))
		for i, e := range events {
			s.event(time.Duration(3+i)*time.Second, e)
		}
		return s.promise(record.Objective{Name: "restarts", Kind: record.KindRedundancy, Unit: "restarts"}).analyze()
	}
	hurt := tell().Incidents[0].Nodes
	require.NotEmpty(t, hurt)
	assert.Equal(t, record.Pass, tell(start(hurt[0])).Verdict, "what a fault took down comes back by healing")
	assert.Equal(t, record.Failed, tell(start("web"), start("web")).Verdict)
}
