package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hadrill/hadrill/harness"
)

func TestAScheduleThatCannotBeIsRefused(t *testing.T) {
	kill := Kill(harness.Primary)
	const load = 10 * time.Second
	owner := Match{Kind: EventOwner}
	for _, c := range []struct {
		why      string
		schedule Schedule
		says     string // "" where it can be
	}{
		{"a step at its time", Schedule{At(9*time.Second, kill)}, ""},
		{"a step after the load", Schedule{At(load, kill)}, "fault step 1 (kill): ends at 10s, but the load lasts only 10s"},
		{"a step that outlasts the load", Schedule{At(5*time.Second, kill).Lasting(5 * time.Second)}, "the load lasts only"},
		{"no fault", Schedule{At(1, kill), {At: 1}}, "fault step 2: no fault given"},
		{"a negative delay", Schedule{At(-1, kill)}, "negative time"},
		{"a chain", Schedule{At(4*time.Second, kill), After("1", 5*time.Second, kill)}, ""},
		{"a chain that ends after the load", Schedule{At(5*time.Second, kill), After("1", 5*time.Second, kill)}, "fault step 2 (kill): ends at 10s at the latest"},
		{"a chain over a healing", Schedule{At(time.Second, kill).Lasting(4 * time.Second).Named("up"), AfterHealed("up", 4*time.Second, kill)}, ""},
		{"a chain over a healing that ends after the load", Schedule{At(time.Second, kill).Lasting(5 * time.Second), AfterHealed("1", 4*time.Second, kill)}, "ends at 10s"},
		{"the healing of what is not healed under load", Schedule{At(1, kill), AfterHealed("1", 1, kill)}, "healed only when the load has ended"},
		{"an unknown step", Schedule{At(1, kill), After("3", 1, kill)}, `step "3": there is none`},
		{"an unknown name", Schedule{At(1, kill), After("down", 1, kill)}, `step "down": there is none`},
		{"a step after itself", Schedule{After("1", 1, kill)}, "waits for itself, by way of step 1, step 1"},
		{"a circle", Schedule{After("3", 1, kill), After("1", 1, kill), After("2", 1, kill)}, "waits for itself, by way of step 1, step 3, step 2, step 1"},
		{"a reference to a later step", Schedule{After("2", 1, kill), At(1, kill)}, ""},
		{"two steps of one name", Schedule{At(1, kill).Named("a"), At(2, kill).Named("a")}, `name "a": step 1 has it already`},
		{"a number for a name", Schedule{At(1, kill).Named("2")}, `name "2"`},
		{"an event", Schedule{On(owner, kill)}, ""},
		{"an event of no kind", Schedule{On(Match{Kind: "ower"}, kill)}, `kind "ower"`},
		{"an event whose fault cannot fit", Schedule{On(owner, kill).Lasting(load)}, "takes 10s from its event on"},
		{"an event whose deadline is too late", Schedule{On(owner, kill).By(9 * time.Second).Lasting(time.Second)}, "ends at 10s at the latest"},
		{"a step after one that may wait for ever", Schedule{On(owner, kill), After("1", time.Second, kill)}, "give that one a deadline"},
		{"a step after one with a deadline", Schedule{On(owner, kill).By(5 * time.Second), After("1", time.Second, kill)}, ""},
		{"no repetition", Repeat(0, time.Second, At(1, kill)), "no fault given"},
		{"repetitions", Repeat(3, 3*time.Second, At(1, kill).Named("r")), ""},
		{"repetitions beyond the load", Repeat(4, 3*time.Second, At(time.Second, kill)), "fault step 4 (kill): ends at 10s"},
		{"a draw", Schedule{Randomised(0, 3, Window{1, 9 * time.Second}, At(0, kill))}, ""},
		{"a draw beyond the load", Schedule{Randomised(0, 3, Window{1, load}, At(0, kill))}, "ends at 10s"},
		{"a draw of nothing", Schedule{Randomised(0, 3, Window{1, 2})}, "nothing to draw from"},
		{"no draw", Schedule{Randomised(0, 0, Window{1, 2}, At(0, kill))}, "draws 0 steps"},
		{"a step after a draw", Schedule{Randomised(0, 3, Window{1, 2}, At(0, kill)), After("1", 1, kill)}, "is drawn and becomes several"},
	} {
		t.Run(c.why, func(t *testing.T) {
			err := c.schedule.Validate(load)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestADrawIsReplayedByItsSeed(t *testing.T) {
	menu := []Step{{Fault: Kill(harness.Primary)}, {For: time.Second, Fault: Pause(harness.Primary)}, {For: 2 * time.Second, Fault: Restart(harness.Replica)}}
	rapid.Check(t, func(t *rapid.T) {
		own, run := rapid.Uint64().Draw(t, "own"), rapid.Uint64().Draw(t, "run")
		w := Window{2 * time.Second, 12 * time.Second}
		s := Schedule{At(time.Second, Kill(harness.Primary)), Randomised(own, 4, w, menu...), After("1", 0, Kill(harness.Replica)), Randomised(0, 4, w, menu...), After("3", 0, Kill(harness.Replica))}
		require.NoError(t, s.Validate(13*time.Second))
		drawn := s.Drawn(run)
		require.Equal(t, drawn, s.Drawn(run))
		require.Len(t, drawn, 11)
		require.NoError(t, drawn.Validate(13*time.Second))
		require.Equal(t, "1", drawn[5].Cue.Step)
		require.Equal(t, "6", drawn[10].Cue.Step, "what was step 3 is step 6 now")
		for _, step := range drawn[1:5] {
			require.GreaterOrEqual(t, step.At, w.From)
			require.LessOrEqual(t, step.At+step.For, w.To)
		}
		if own != 0 {
			require.Equal(t, drawn[1:5], s.Drawn(run + 1)[1:5], "a seed of its own")
		}
	})
	s := Schedule{Randomised(0, 4, Window{0, time.Hour}, menu...), Randomised(0, 4, Window{0, time.Hour}, menu...)}
	assert.NotEqual(t, s.Drawn(1), s.Drawn(2), "another seed, another draw")
	assert.NotEqual(t, s.Drawn(1)[:4], s.Drawn(1)[4:], "two draws of one run differ")
}

func TestADrawThatWasNotDrawnIsNeverInjected(t *testing.T) {
	_, err := Randomised(1, 1, Window{0, 1}, At(0, Kill(harness.Primary))).Fault.Inject(t.Context(), nil)
	require.ErrorContains(t, err, "not been drawn")
}

func TestRepeatedStepsHaveNamesOfTheirOwn(t *testing.T) {
	s := Repeat(3, 2*time.Second, At(time.Second, Kill(harness.Primary)).Named("down"))
	assert.Equal(t, "down: at 1s kill primary; down-2: at 3s kill primary; down-3: at 5s kill primary", s.String())
	assert.Equal(t, 1, s.Find("down-2"))
	assert.Equal(t, 2, s.Find("3"))
	for _, none := range []string{"", "0", "4", "03", "up"} {
		assert.Equal(t, -1, s.Find(none), none)
	}
}

func ExampleParse() {
	s, err := Parse(`down: at 2s kill primary; on declared "+odown" by 8s +100ms for 1s pause random(1) of replica`)
	fmt.Println(s, err)
	_, err = Parse("at 2s kil primary")
	fmt.Println(err)
	// Output:
	// down: at 2s kill primary; on declared "+odown" by 8s +100ms for 1s pause random(1) of replica <nil>
	// position 7: expected a fault, found "kil"; did you mean "kill"?
}
