package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// stage is a drill without a system, on a clock that jumps: steps do nothing
// but say when.
type stage struct {
	drill *drill
	start record.Time
	tell  chan string
}

// pretend is a fault that takes its time to be proven and says what happens
// to it, and when.
type pretend struct {
	stage    *stage
	name     string
	takes    time.Duration // until its effect is proven
	unproven error
	refused  error
}

func (f *pretend) Spec() faults.Spec            { return faults.Spec{Fault: f.name, Aim: "nobody"} }
func (f *pretend) Requires() []faults.Mechanism { return nil }

func (f *pretend) Inject(context.Context, *faults.Field) (faults.Injection, error) {
	if f.refused != nil {
		return nil, f.refused
	}
	f.stage.say("inject " + f.name)
	return f, nil
}

func (f *pretend) Nodes() []*harness.Node { return nil }

func (f *pretend) Effective(ctx context.Context) (faults.Proof, error) {
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
	}
	now := f.stage.drill.clock.Now()
	return faults.Proof{Before: now, After: now}, f.unproven
}

func (f *pretend) Heal(context.Context) error {
	f.stage.say("heal " + f.name)
	return nil
}

func (f *pretend) Healed(context.Context) (faults.Proof, error) {
	now := f.stage.drill.clock.Now()
	return faults.Proof{Before: now, After: now}, nil
}

func (s *stage) say(what string) {
	s.tell <- fmt.Sprintf("%v %s", s.drill.clock.now().Sub(s.start), what)
}

// play runs a schedule; events happen at their time since the load began.
func play(t *testing.T, load time.Duration, schedule func(*stage) faults.Schedule, events ...record.Event) (told []string, log *record.Log, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{tell: make(chan string, 100), drill: &drill{clock: newClock()}}
		path := filepath.Join(t.TempDir(), LogName)
		s.drill.scenario = valid()
		s.drill.scenario.Duration = load
		s.drill.scenario.Faults = schedule(s)
		require.NoError(t, s.drill.scenario.Faults.Validate(load))
		var openErr error
		s.drill.log, openErr = record.Create(path, record.Header{Schema: record.SchemaVersion, Scenario: s.drill.scenario.Declaration()})
		require.NoError(t, openErr)
		plan := newPlan(s.drill)
		s.start = s.drill.clock.now()
		for _, e := range events {
			e.At += s.start
			go func() {
				time.Sleep(e.At.Sub(s.start))
				s.drill.event(e)
			}()
		}
		err = plan.execute(t.Context(), s.start)
		require.NoError(t, plan.healAll(t.Context()))
		synctest.Wait()
		close(s.tell)
		for line := range s.tell {
			told = append(told, line)
		}
		assert.Empty(t, s.drill.listeners.all, "nobody listens any more")
		time.Sleep(time.Hour) // events after the end
		require.NoError(t, s.drill.log.Close())
		var readErr error
		log, readErr = record.Open(path)
		require.NoError(t, readErr)
	})
	return told, log, err
}

func (s *stage) fault(name string) *pretend { return &pretend{stage: s, name: name} }

// reasons are why steps failed, by step.
func reasons(log *record.Log) map[string]string {
	why := map[string]string{}
	for _, e := range log.Events {
		if e.Kind == record.EventFault && (e.Name == record.StepFailed || e.Name == record.StepUnproven) {
			why[e.Fault] = e.Text
		}
	}
	return why
}

func TestStepsHappenWhenTheyAreDue(t *testing.T) {
	const s = time.Second
	owner := faults.Match{Kind: faults.EventOwner, Text: "new"}
	for _, c := range []struct {
		why      string
		schedule func(*stage) faults.Schedule
		events   []record.Event
		want     []string
		missed   map[string]string
	}{
		{
			"at a time, and healed under load",
			func(st *stage) faults.Schedule { return faults.Schedule{faults.At(2*s, st.fault("a")).Lasting(3 * s)} },
			nil, []string{"2s inject a", "5s heal a"}, nil,
		},
		{
			"without a length, until the load has ended, latest first",
			func(st *stage) faults.Schedule {
				return faults.Schedule{faults.At(1*s, st.fault("a")), faults.At(3*s, st.fault("b")), faults.At(2*s, st.fault("c"))}
			},
			nil, []string{"1s inject a", "2s inject c", "3s inject b", "3s heal b", "3s heal c", "3s heal a"}, nil,
		},
		{
			"beside a proof that takes its time",
			func(st *stage) faults.Schedule {
				slow := st.fault("slow")
				slow.takes = 3 * s
				return faults.Schedule{faults.At(1*s, slow), faults.At(2*s, st.fault("b")).Lasting(s)}
			},
			nil, []string{"1s inject slow", "2s inject b", "3s heal b", "4s heal slow"}, nil,
		},
		{
			"after another's proof",
			func(st *stage) faults.Schedule {
				slow := st.fault("slow")
				slow.takes = 300 * time.Millisecond
				return faults.Schedule{faults.After("slow", 500*time.Millisecond, st.fault("b")), faults.At(1*s, slow).Named("slow")}
			},
			nil, []string{"1s inject slow", "1.8s inject b", "1.8s heal b", "1.8s heal slow"}, nil,
		},
		{
			"after another's healing",
			func(st *stage) faults.Schedule {
				return faults.Schedule{faults.At(1*s, st.fault("a")).Lasting(s), faults.AfterHealed("1", s, st.fault("b")).Lasting(s), faults.AfterHealed("2", 0, st.fault("c"))}
			},
			nil, []string{"1s inject a", "2s heal a", "3s inject b", "4s heal b", "4s inject c", "4s heal c"}, nil,
		},
		{
			"healed at one moment, latest first",
			func(st *stage) faults.Schedule {
				return faults.Schedule{faults.At(1*s, st.fault("a")).Lasting(4 * s), faults.At(2*s, st.fault("b")).Lasting(3 * s), faults.At(3*s, st.fault("c")).Lasting(2 * s)}
			},
			nil, []string{"1s inject a", "2s inject b", "3s inject c", "5s heal c", "5s heal b", "5s heal a"}, nil,
		},
		{
			"repeated",
			func(st *stage) faults.Schedule {
				return faults.Repeat(3, 2*s, faults.At(1*s, st.fault("a")).Lasting(s))
			},
			nil, []string{"1s inject a", "2s heal a", "3s inject a", "4s heal a", "5s inject a", "6s heal a"}, nil,
		},
		{
			"on the first event that matches",
			func(st *stage) faults.Schedule {
				return faults.Schedule{faults.On(owner, st.fault("a")).Delayed(s).By(5 * s)}
			},
			[]record.Event{
				{At: 1e9, Kind: record.EventOwner, Text: "old"}, {At: 2e9, Kind: record.EventDeclared, Text: "new"},
				{At: 3e9, Kind: record.EventOwner, Text: "a new one"}, {At: 4e9, Kind: record.EventOwner, Text: "a new one"},
			},
			[]string{"4s inject a", "4s heal a"}, nil,
		},
		{
			"on the life of another step",
			func(st *stage) faults.Schedule {
				return faults.Schedule{faults.On(faults.Match{Kind: faults.EventFault, Name: record.StepHealed}, st.fault("b")), faults.At(s, st.fault("a")).Lasting(s)}
			},
			nil, []string{"1s inject a", "2s heal a", "2s inject b", "2s heal b"}, nil,
		},
		{
			"on a change of mind, and not on what was believed at first",
			func(st *stage) faults.Schedule {
				return faults.Schedule{faults.On(faults.Match{Kind: faults.EventBelief, Name: "primary", Node: "n2"}, st.fault("a"))}
			},
			[]record.Event{
				{At: 1e9, Kind: record.EventBelief, Node: "n2", Name: "primary"},
				{At: 2e9, Kind: record.EventBelief, Node: "n1", Name: "primary", Bracket: &record.Bracket{}},
				{At: 3e9, Kind: record.EventBelief, Node: "n2", Name: "primary", Bracket: &record.Bracket{}},
			},
			[]string{"3s inject a", "3s heal a"}, nil,
		},
		{
			"not at all when the event does not come, nor what waits for it",
			func(st *stage) faults.Schedule {
				return faults.Schedule{faults.At(s, st.fault("a")), faults.On(owner, st.fault("b")).By(5 * s), faults.After("2", 0, st.fault("c"))}
			},
			[]record.Event{{At: 6e9, Kind: record.EventOwner, Text: "new"}},
			[]string{"1s inject a", "5s heal a"},
			map[string]string{
				"2": `not carried out: nothing matched "owner \"new\"" until 5s after the load began`,
				"3": `not carried out: step 2 was not carried out: nothing matched`,
			},
		},
		{
			"not at all when the event comes too late to fit under the load",
			func(st *stage) faults.Schedule {
				return faults.Schedule{faults.On(owner, st.fault("b")).Lasting(4 * s)}
			},
			[]record.Event{{At: 7e9, Kind: record.EventOwner, Text: "new"}},
			nil, map[string]string{"1": "until 6s after the load began"},
		},
		{
			"not after a step whose effect was not proven",
			func(st *stage) faults.Schedule {
				vague := st.fault("vague")
				vague.unproven = errors.New("no packet was counted")
				return faults.Schedule{faults.At(s, vague).Lasting(s), faults.After("1", 0, st.fault("b"))}
			},
			nil, []string{"1s inject vague", "2s heal vague"},
			map[string]string{"1": "no packet was counted", "2": "step 1 was not proven to take effect"},
		},
		{
			"not when the load ended meanwhile",
			func(st *stage) faults.Schedule {
				slow := st.fault("slow")
				slow.takes = 4 * s
				return faults.Schedule{faults.At(5*s, slow), faults.After("1", 2*s, st.fault("b"))}
			},
			nil, []string{"5s inject slow", "11s heal slow"}, map[string]string{"2": "the load had ended"},
		},
	} {
		t.Run(c.why, func(t *testing.T) {
			told, log, err := play(t, 10*s, c.schedule, c.events...)
			require.NoError(t, err)
			assert.Equal(t, c.want, told)
			why := reasons(log)
			assert.Len(t, why, len(c.missed))
			for id, part := range c.missed {
				assert.Contains(t, why[id], part)
			}
		})
	}
}

func TestStepsOfOneMomentAreInjectedSideBySide(t *testing.T) {
	told, _, err := play(t, 10*time.Second, func(st *stage) faults.Schedule {
		a, b := st.fault("a"), st.fault("b")
		a.takes, b.takes = time.Second, time.Second
		return faults.Schedule{faults.At(time.Second, a), faults.At(time.Second, b), faults.After("1", 0, st.fault("c"))}
	})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"1s inject a", "1s inject b"}, told[:2])
	assert.Equal(t, "2s inject c", told[2])
}

func TestAStepThatCannotBeInjectedEndsTheOthers(t *testing.T) {
	told, log, err := play(t, 10*time.Second, func(st *stage) faults.Schedule {
		bad := st.fault("bad")
		bad.refused = errors.New("matches no node")
		return faults.Schedule{faults.At(time.Second, st.fault("a")).Lasting(5 * time.Second), faults.At(2*time.Second, bad), faults.After("2", 0, st.fault("c"))}
	})
	require.ErrorContains(t, err, "inject fault 2 (bad nobody): matches no node")
	assert.Equal(t, []string{"1s inject a", "2s heal a"}, told)
	assert.Equal(t, map[string]string{"2": "matches no node"}, reasons(log))
}

func TestThePhasesFollowTheSteps(t *testing.T) {
	_, log, err := play(t, 10*time.Second, func(st *stage) faults.Schedule {
		return faults.Schedule{faults.At(time.Second, st.fault("a")).Lasting(time.Second), faults.On(faults.Match{Kind: faults.EventOwner}, st.fault("b")).By(4 * time.Second)}
	})
	require.NoError(t, err)
	var phases []string
	for _, e := range log.Events {
		if e.Kind == record.EventPhase {
			phases = append(phases, fmt.Sprintf("%v %s", e.At.Sub(0).Round(time.Second), e.Name))
		}
	}
	assert.Equal(t, []string{"1s fault", "4s recovery"}, phases)
}

func TestTheRecordDeclaresWhatStepsWaitFor(t *testing.T) {
	s := valid()
	s.Duration = 10 * time.Second
	var err error
	s.Faults, err = faults.Parse(`down: at 1s kill primary; after down +500ms for 1s pause replica; on owner "new" by 8s kill primary`)
	require.NoError(t, err)
	assert.Equal(t, []record.FaultPlan{
		{ID: "1", Fault: "kill", Aim: "primary", At: time.Second},
		{ID: "2", Fault: "pause", Aim: "replica", Cue: "after 1", At: 500 * time.Millisecond, For: time.Second},
		{ID: "3", Fault: "kill", Aim: "primary", Cue: `on owner "new" by 8s`},
	}, s.Declaration().Faults)
}

func TestTheKindsOfEventAreThoseOfTheRecord(t *testing.T) {
	for ours, theirs := range map[faults.EventKind]record.EventKind{
		faults.EventBelief: record.EventBelief, faults.EventRedundancy: record.EventRedundancy, faults.EventDeclared: record.EventDeclared,
		faults.EventOwner: record.EventOwner, faults.EventLog: record.EventLog, faults.EventNode: record.EventNode, faults.EventFault: record.EventFault,
	} {
		assert.Equal(t, string(theirs), string(ours))
	}
}

func TestAnAdHocScenarioIsAScenarioOfItsOwn(t *testing.T) {
	twin := valid()
	twin.Duration, twin.TwinOf, twin.Expect = 30*time.Second, "test/nothing/safe", FailsOn("errors")
	twin.Expect = FailsOn(twin.Promises[0].Name)
	require.NoError(t, twin.Validate())
	schedule, err := faults.Parse(`on log "it's" kill primary; at 2s draw 3 in 10s of { kill primary; for 1s pause primary }`)
	require.NoError(t, err)
	hoc := twin.AdHoc(schedule)
	require.NoError(t, hoc.Validate())
	assert.Equal(t, "test/nothing/null/ad-hoc", hoc.Name)
	assert.Empty(t, hoc.TwinOf)
	assert.Empty(t, hoc.Expect)
	assert.Contains(t, hoc.Doc, "test/nothing/null")
	assert.Equal(t, "test/nothing/null", twin.Arguments())
	text, ok := strings.CutPrefix(hoc.Arguments(), "--faults '")
	require.True(t, ok)
	text, ok = strings.CutSuffix(text, "' test/nothing/null")
	require.True(t, ok)
	again, err := faults.Parse(strings.ReplaceAll(text, `'\''`, "'"))
	require.NoError(t, err)
	assert.Equal(t, schedule, again)

	drawn, err := hoc.drawn(7)
	require.NoError(t, err)
	require.Len(t, drawn.Faults, 4)
	same, err := twin.AdHoc(again).drawn(7)
	require.NoError(t, err)
	assert.Equal(t, drawn.Declaration(), same.Declaration(), "the command and its seed draw the same steps")
}
