package measure

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// TestVerdicts plants one defect after another into a run that passes: each
// must change the verdict, to the right one and for the right reason.
func TestVerdicts(t *testing.T) {
	rto := objective("rto", 2)
	lost := record.Objective{Name: "lost", Kind: record.KindDurability, Unit: "ops"}
	owner := record.Objective{Name: "check.single-owner", Kind: record.KindConsistency, Unit: "findings"}
	withoutEvent := func(name string) func(*story) {
		return func(s *story) {
			s.log.Events = slices.DeleteFunc(s.log.Events, func(e record.Event) bool { return e.Name == name })
		}
	}
	cases := []struct {
		name    string
		plant   func(*story)
		verdict record.Verdict
		reason  string
	}{
		{"no defect", func(*story) {}, record.Pass, "all 4 objectives held"},
		{"too long an outage", func(s *story) { s.down(5*time.Second, 6*time.Second) }, record.Failed, "rto is 3 s, limit at most 2 s"},
		{"a lost write", func(s *story) { s.evidence.Ledger.Lost = 1 }, record.Failed, "lost is 1 ops"},
		{"a finding", func(s *story) { s.evidence.Checks[0].Total = 2 }, record.Failed, "check.single-owner is 2 findings"},
		{"the fault was never seen", withoutEvent(record.StepEffective), record.Inconclusive, "never seen to take effect"},
		{"the fault was unproven", func(s *story) {
			s.event(3100*ms, record.Event{Kind: record.EventFault, Name: record.StepUnproven, Fault: "1", Text: "still answers"})
		}, record.Inconclusive, "still answers"},
		{"the healing was never seen", withoutEvent(record.StepHealed), record.Inconclusive, "healing of fault 1"},
		{"the target restarted under fault", func(s *story) {
			s.event(3100*ms, record.Event{Kind: record.EventFault, Name: record.StepGap, Node: "a"})
		}, record.Inconclusive, "ran without fault 1"},
		{"no control lane", func(s *story) {
			s.log.Ops = slices.DeleteFunc(s.log.Ops, func(op record.Op) bool { return op.Lane == 1 })
		}, record.Inconclusive, "no control lane"},
		{"the machine stood still", func(s *story) { s.stall(1, 7*time.Second, 7200*ms) }, record.Inconclusive, "noisy"},
		{"the generator was late", func(s *story) {
			s.each(1, 7*time.Second, 7200*ms, func(op *record.Op) { op.Start = op.Intended.Add(60 * ms); op.End = op.Start.Add(ms) })
		}, record.Inconclusive, "saturated"},
		{"all clients wait for a hanging target", func(s *story) {
			s.each(0, 3*time.Second, 4*time.Second, func(op *record.Op) { op.Start, op.End = op.Intended.Add(time.Second), op.Intended.Add(2*time.Second) })
		}, record.Pass, "all 4 objectives held"},
		{"the generator had no ports left", func(s *story) {
			s.log.Errors = append(s.log.Errors, "generator: connect: cannot assign requested address")
			s.each(0, 7*time.Second, 7*time.Second+spacing, func(op *record.Op) { op.Outcome, op.Error = record.Fail, 1 })
		}, record.Inconclusive, "its own resources"},
		{"the load ended early", func(s *story) {
			s.log.Ops = slices.DeleteFunc(s.log.Ops, func(op record.Op) bool { return op.Intended > at(10*time.Second) })
		}, record.Inconclusive, "of the declared 12 s"},
		{"the log is cut short", func(s *story) { s.log.Truncated = true }, record.Inconclusive, "cut short"},
		{"the toolkit failed", func(s *story) {
			s.event(time.Second, record.Event{Kind: record.EventError, Name: "agent", Text: "gone"})
		}, record.HarnessError, "failed at agent: gone"},
		{"the run was interrupted", func(s *story) {
			s.event(time.Second, record.Event{Kind: record.EventNote, Name: record.NoteInterrupted, Text: "terminated"})
		}, record.Inconclusive, "interrupted (terminated)"},
		{"an objective nobody knows", func(s *story) { s.promise(objective("rot", 1)) }, record.HarnessError, `"rot"`},
		{"a lane nobody knows", func(s *story) { s.promise(objective("latency.p99@mian", 1)) }, record.HarnessError, "mian"},
		{"no ledger", func(s *story) { s.evidence.Ledger = nil }, record.Vacuous, "no ledger"},
		{"no definitive read", func(s *story) { s.evidence.Ledger.Definitive = false }, record.Inconclusive, "definitive read"},
		{"no write around the fault", func(s *story) {
			s.each(0, time.Second, 6*time.Second, func(op *record.Op) { op.Function = record.Read })
		}, record.Vacuous, "window of interest"},
		{"the check never ran", func(s *story) { s.evidence.Checks = nil }, record.Inconclusive, "nobody ran check single-owner"},
		{"the check gave no answer", func(s *story) { s.evidence.Checks[0].Error = "budget spent" }, record.Inconclusive, "budget spent"},
		{"the check saw nothing", func(s *story) { s.evidence.Checks[0].Checked = 0 }, record.Vacuous, "nothing to judge"},
		{"the check saw less than its name says", func(s *story) { s.evidence.Checks[0].Narrowed = "one in 8" }, record.Inconclusive, "one in 8"},
		{"no operation was judged", func(s *story) { s.log.Header.Lanes[0].Evidence = true }, record.Vacuous, "no "},
		{"a limit below the resolution", func(s *story) {
			s.log.Header.Scenario.Objectives[0].Limit = 0.04
			s.each(0, 3*time.Second, 5*time.Second, func(op *record.Op) { op.Outcome = record.Ok })
			s.down(3*time.Second, 3030*ms)
		}, record.Inconclusive, "below the resolution"},
		{"no objectives", func(s *story) { s.log.Header.Scenario.Objectives = nil }, record.Vacuous, "promises nothing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 4*time.Second).writes().
				promise(rto, ratioObjective("availability.requests", 0.8), lost, owner)
			s.evidence.Checks = []record.Checked{{Check: "single-owner", Guarantee: "one owner", Checked: 10}}
			c.plant(s)
			r := s.analyze()
			assert.Equal(t, c.verdict.String(), r.Verdict.String(), r.Reason)
			assert.Contains(t, r.Reason, c.reason)
			if c.verdict != record.Pass && c.verdict != record.Failed {
				assert.Nil(t, r.Score, "what could not be judged is ungraded")
			}
		})
	}
}

func TestNoiseTakesBackAFailureThatItCouldExplainAndNoOther(t *testing.T) {
	tell := func(outage time.Duration) *record.Result {
		return newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 3*time.Second+outage).
			stall(1, 7*time.Second, 7200*ms).promise(objective("rto", 1)).analyze()
	}
	assert.Equal(t, record.Inconclusive, tell(1100*ms).Verdict, "0.1 s past the limit, with 0.2 s of noise")
	assert.Equal(t, record.Failed, tell(1300*ms).Verdict, "0.3 s past the limit, with 0.2 s of noise")
}

func TestNoiseLeavesACalibrationsPassAloneButNotItsFailure(t *testing.T) {
	tell := func(stalled time.Duration) *record.Result {
		s := newStory(12*time.Second).fault(3*time.Second, 4*time.Second).stall(0, 3*time.Second, 3*time.Second+stalled).
			stall(1, 7*time.Second, 7200*ms) // the control lane: 0.2 s of noise
		s.log.Header.Scenario.KnownOutages = []time.Duration{time.Second}
		return s.promise(objective("calibration.error", 0.01)).analyze()
	}
	assert.Equal(t, record.Pass, tell(time.Second).Verdict, "noise could only have made the error larger")
	assert.Equal(t, record.Inconclusive, tell(1100*ms).Verdict, "0.1 s of error, with 0.2 s of noise")
	assert.Equal(t, record.Failed, tell(1500*ms).Verdict, "0.5 s of error, with 0.2 s of noise")
}

func TestNoiseLeavesLossesAlone(t *testing.T) {
	s := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 4*time.Second).writes().
		stall(1, 7*time.Second, 7200*ms).promise(record.Objective{Name: "lost", Kind: record.KindDurability, Unit: "ops"})
	assert.Equal(t, record.Pass, s.analyze().Verdict)
	s.evidence.Ledger.Lost = 3
	assert.Equal(t, record.Failed, s.analyze().Verdict)
}

func TestAZeroLimitIsKeptByZeroEvenBelowTheResolution(t *testing.T) {
	r := newStory(8*time.Second).fault(3*time.Second, 0).promise(objective("rto", 0), objective("errors", 0)).analyze()
	assert.Equal(t, record.Pass, r.Verdict, r.Reason)
}

func TestATwinIsCaughtOnlyForItsDeclaredReason(t *testing.T) {
	tell := func(down time.Duration, lost int, expect ...string) *record.Caught {
		s := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 3*time.Second+down).writes().
			promise(objective("rto", 2), record.Objective{Name: "lost", Kind: record.KindDurability, Unit: "ops"})
		s.evidence.Ledger.Lost = lost
		s.log.Header.Scenario.TwinOf, s.log.Header.Scenario.Expect = "safe", expect
		c := s.analyze().Caught
		require.NotNil(t, c)
		return c
	}
	assert.True(t, tell(time.Second, 1, "lost").Caught)
	assert.True(t, tell(3*time.Second, 1, "lost").Caught)
	assert.True(t, tell(time.Second, 1, "lost", "rto").Caught)
	assert.False(t, tell(time.Second, 0, "lost").Caught, "it passed")
	assert.False(t, tell(3*time.Second, 0, "lost").Caught, "it failed for another reason")
	assert.Equal(t, []string{"rto"}, tell(3*time.Second, 0, "lost").Failed)
	assert.False(t, tell(time.Second, 1).Caught, "a twin without a declared reason cannot be caught")

	s := newStory(12 * time.Second).promise(objective("rto", 2))
	s.log.Header.Scenario.TwinOf, s.log.Header.Scenario.Expect = "safe", []string{"rto"}
	s.event(time.Second, record.Event{Kind: record.EventError, Name: "agent", Text: "gone"})
	assert.False(t, s.analyze().Caught.Caught, "a broken harness catches nothing")
}

func TestAnAlertThatNeverComesFailsDetection(t *testing.T) {
	tell := func() *story {
		return newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 4*time.Second).promise(objective("detect", 5))
	}
	assert.Equal(t, record.Failed, tell().analyze().Verdict)
	s := tell().event(7*time.Second, record.Event{Kind: record.EventDeclared})
	r := s.analyze()
	assert.Equal(t, record.Pass, r.Verdict, r.Reason)
	assert.Equal(t, 4.0, value(r.Judgements[0].Value))
}

// A starved machine starts everything late, all the time: many short delays
// and no single gap. What the untouched lane loses is not the target's doing.
func TestWhatAStarvedGeneratorLosesOnEveryLaneAccusesNobody(t *testing.T) {
	starve := func(s *story, lane uint8) {
		i := 0
		s.each(lane, 0, s.length, func(op *record.Op) {
			if i++; i%10 != 0 { // nine of ten, never two hundred milliseconds without a good one
				op.Start, op.Outcome = op.Intended.Add(80*ms), record.Fail
			}
		})
	}
	tell := func(lanes ...uint8) *record.Result {
		s := newStory(12*time.Second).promise(
			record.Objective{Name: "errors", Kind: record.KindAvailability, Unit: "ops"},
			ratioObjective("availability.requests", 0.999))
		for _, lane := range lanes {
			starve(s, lane)
		}
		return s.analyze()
	}
	assert.Equal(t, record.Inconclusive, tell(0, 1).Verdict)
	assert.Equal(t, record.Failed, tell(0).Verdict, "with a quiet control lane it is the target")
}
