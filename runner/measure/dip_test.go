package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// oneIn fails one operation in n that was due in the span.
func oneIn(s *story, n int, from, to time.Duration) {
	i := 0
	s.each(0, from, to, func(op *record.Op) {
		if i++; i%n == 0 {
			op.Outcome = record.Fail
		}
	})
}

func TestADipIsAgainstTheRunsOwnStateBefore(t *testing.T) {
	cases := []struct {
		name string
		tell func(*story)
		want float64
	}{
		{"nothing was lost", func(*story) {}, 0},
		{"a third was lost for a while", func(s *story) { oneIn(s, 3, 3*time.Second, 5*time.Second) }, 1.0 / 3},
		{"a third was missing before as well", func(s *story) { oneIn(s, 3, 0, 10*time.Second) }, 0},
		{"a fifth was missing before, half in the fault", func(s *story) {
			oneIn(s, 5, 0, 3*time.Second)
			oneIn(s, 2, 3*time.Second, 6*time.Second)
		}, 0.3},
		{"it was worse before than in the fault", func(s *story) { oneIn(s, 2, 0, 3*time.Second) }, 0},
		{"half of a window was lost", func(s *story) { s.down(4*time.Second, 4500*ms) }, 0.5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(10*time.Second).fault(3*time.Second, 6*time.Second)
			c.tell(s)
			r := s.promise(objective("availability.dip.1s@main", 0.4), objective("availability.dip", 0.4)).analyze()
			require.Len(t, r.Judgements, 2)
			for _, j := range r.Judgements {
				require.NotNil(t, j.Value)
				assert.InDelta(t, c.want, *j.Value, 0.003) // an operation more or less in a window
				assert.Equal(t, *j.Value <= 0.4, j.Verdict == record.Pass, j.Reason)
			}
		})
	}
}

// What was hardly there before cannot be taken: such a pass would mean nothing.
func TestADipThatCouldNotFailIsVacuous(t *testing.T) {
	s := newStory(10*time.Second).fault(3*time.Second, 6*time.Second)
	s.down(0, 10*time.Second)
	r := s.promise(objective("availability.dip.1s", 0.4)).analyze()
	assert.Equal(t, record.Vacuous, r.Judgements[0].Verdict, r.Judgements[0].Reason)
	assert.Contains(t, r.Judgements[0].Reason, "could not have been more than")
}

func TestNoDipIsClaimedWhereNothingCanBeCompared(t *testing.T) {
	for name, s := range map[string]*story{
		"no fault":                     newStory(4 * time.Second),
		"a fault before any operation": newStory(4*time.Second).fault(0, time.Second),
		"less than a window after it":  newStory(4*time.Second).fault(3500*ms, 0),
		"a fault after the load":       newStory(4*time.Second).fault(5*time.Second, 0),
	} {
		r := s.promise(objective("availability.dip.1s", 0.4)).analyze()
		assert.NotEqual(t, record.Pass, r.Judgements[0].Verdict, name)
		assert.NotEqual(t, record.HarnessError, r.Judgements[0].Verdict, name)
	}
}
