package measure

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

func TestTheScoreIsAWeightedGeometricMean(t *testing.T) {
	j := func(k record.Kind, q float64) record.Judgement {
		return record.Judgement{Objective: record.Objective{Kind: k}, Verdict: record.Pass, Quality: q}
	}
	cases := []struct {
		name string
		js   []record.Judgement
		want float64
	}{
		{"all kinds", []record.Judgement{j(record.KindDurability, 1), j(record.KindRTO, 0.9), j(record.KindAvailability, 0.5), j(record.KindLatency, 0.8), j(record.KindRedundancy, 0.7)},
			100 * math.Pow(0.9, 0.3) * math.Pow(0.5, 0.2) * math.Pow(0.8, 0.1) * math.Pow(0.7, 0.05)},
		{"absent kinds share out their weight", []record.Judgement{j(record.KindRTO, 0.9), j(record.KindAvailability, 0.5)},
			100 * math.Pow(0.9, 0.6) * math.Pow(0.5, 0.4)},
		{"durability and consistency are one group", []record.Judgement{j(record.KindDurability, 0.9), j(record.KindConsistency, 0.4)},
			100 * math.Sqrt(0.9*0.4)},
		{"nothing compensates for a loss", []record.Judgement{j(record.KindDurability, 0), j(record.KindRTO, 1), j(record.KindAvailability, 1)}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, ok := scoreOf(c.js)
			assert.True(t, ok)
			assert.InDelta(t, c.want, got, 1e-9)
		})
	}
	_, ok := scoreOf([]record.Judgement{{Verdict: record.Vacuous}})
	assert.False(t, ok)
}

func letters2reasons(r *record.Result) map[string]string {
	m := map[string]string{}
	for _, c := range r.Caps {
		m[c.Letter] = c.Reason
	}
	return m
}

func TestCapsOfOneRunStandOnEvidence(t *testing.T) {
	lost := record.Objective{Name: "lost", Kind: record.KindDurability, Unit: "ops"}
	budgeted := record.Objective{Name: "rpo.seconds", Kind: record.KindDurability, Unit: "s", Target: 0.5, Limit: 1}
	owner := record.Objective{Name: "check.single-owner", Kind: record.KindConsistency, Unit: "findings"}
	cases := []struct {
		name   string
		tell   func(*story)
		letter string
		reason string
	}{
		{"a write lost where none may be", func(s *story) { s.promise(lost); s.evidence.Ledger.Lost = 2 }, "F", "2 acknowledged writes were lost"},
		{"two owners", func(s *story) {
			s.promise(owner)
			s.evidence.Checks = []record.Checked{{Check: "single-owner", Checked: 5, Total: 1}}
		}, "F", "forbidden history"},
		{"a loss within its budget", func(s *story) {
			s.promise(budgeted)
			s.evidence.Ledger.Lost, s.evidence.Ledger.RPOSeconds = 2, 0.3
		}, "B", "within the declared budget"},
		{"past a limit", func(s *story) { s.down(4*time.Second, 6*time.Second) }, "D", "rto is 3 s"},
		{"an outage before the fault", func(s *story) { s.down(time.Second, 1200*ms) }, "C", "no fault explains"},
		{"flapping", func(s *story) { s.down(4200*ms, 4400*ms) }, "C", "went down 2 times"},
		{"redundancy stays lost", func(s *story) { s.event(3100*ms, record.Event{Kind: record.EventRedundancy, Number: 1, Of: 2}) }, "C", "redundancy was not restored"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 4*time.Second).writes().promise(objective("rto", 2))
			require.Empty(t, s.analyze().Caps)
			c.tell(s)
			assert.Contains(t, letters2reasons(s.analyze())[c.letter], c.reason)
		})
	}
}

// Whoever promises no recovery time still has to come back without help.
func TestAServiceThatStaysAwayNeedsHelpWhateverWasPromised(t *testing.T) {
	lost := record.Objective{Name: "lost", Kind: record.KindDurability, Unit: "ops"}
	s := newStory(12*time.Second).fault(3*time.Second, 0).down(3*time.Second, 12*time.Second).writes().promise(lost)
	assert.Contains(t, letters2reasons(s.analyze())["D"], "did not come back by itself after fault")
}
