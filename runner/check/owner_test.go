package check_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

func TestTwoOwners(t *testing.T) {
	h := newHistory()
	for at := 0.0; at < 100; at += 10 {
		h.believes(at, "a", "primary")
		role := "replica"
		if at >= 50 {
			role = "primary"
		}
		h.believes(at+1, "b", role)
	}
	found := check.Owners(&h.log)
	require.Len(t, found, 1)
	f := found[0]
	assert.Equal(t, "two owners", f.Name)
	assert.Equal(t, []string{"a", "b"}, f.Nodes)
	assert.Equal(t, ms(51), f.From)
	assert.Equal(t, ms(91), f.To, "the end of the log")
	assert.Contains(t, f.Picture, "█")

	c, err := check.Lookup(check.SingleOwner)
	require.NoError(t, err)
	r, err := check.Run(context.Background(), c, &h.log, check.Budget{})
	require.NoError(t, err)
	assert.Equal(t, 1, r.Total)
	assert.Equal(t, 15, r.Checked)
}

func TestAHandoverBetweenPollsIsNotTwoOwners(t *testing.T) {
	h := newHistory()
	h.believes(0, "a", "primary")
	h.believes(0, "b", "replica")
	h.believes(10, "a", "primary")
	h.believes(10, "b", "replica")
	h.believes(20, "b", "primary") // b is asked first
	h.believes(21, "a", "replica")
	assert.Empty(t, check.Owners(&h.log))
}

func TestChangesOnlyAreJudgedAboveTheResolution(t *testing.T) {
	h := newHistory()
	h.believes(0, "a", "primary")
	h.believes(20, "b", "primary")
	h.believes(40, "a", "replica")
	h.log.Header.Scenario.Resolution = 50e6
	assert.Empty(t, check.Owners(&h.log))
	h.log.Header.Scenario.Resolution = 5e6
	assert.Len(t, check.Owners(&h.log), 1)
}

func TestWhatBothSaidIsCertainHoweverShort(t *testing.T) {
	h := newHistory()
	h.log.Header.Scenario.Resolution = 100e6
	h.believes(0, "a", "primary")
	h.believes(20, "b", "primary")
	h.event(30, record.EventBelief, "a", "replica").Bracket = &record.Bracket{Before: ms(25), After: ms(30)}
	h.believes(90, "b", "primary")
	found := check.Owners(&h.log)
	require.Len(t, found, 1, "a was asked again at 25 ms and had not changed its mind")
	h.log.Events[2].Bracket.Before = ms(15)
	assert.Empty(t, check.Owners(&h.log))
}

func TestADeadNodeBelievesNothing(t *testing.T) {
	for name, dies := range map[string]func(*history){
		"the fault is proven":       func(h *history) { h.fault("kill", "a", 15) },
		"the engine saw it":         func(h *history) { h.event(15, record.EventNode, "a", "die") },
		"killed for lack of memory": func(h *history) { h.event(15, record.EventNode, "a", "oom") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory()
			h.believes(0, "a", "primary")
			h.believes(10, "a", "primary")
			dies(h)
			h.believes(20, "b", "primary")
			h.believes(90, "b", "primary")
			assert.Empty(t, check.Owners(&h.log))
			spans := check.Beliefs(&h.log)
			require.Len(t, spans, 2)
			assert.Equal(t, ms(15), spans[0].To)
		})
	}
}

func TestAFrozenOwnerIsStaleAndAThawedOneIsASecond(t *testing.T) {
	h := newHistory()
	h.believes(0, "a", "primary")
	h.believes(10, "a", "primary")
	h.fault("pause", "a", 15)
	h.believes(20, "a", "unknown") // it cannot answer
	h.believes(30, "b", "primary")
	h.believes(60, "b", "primary")
	h.healed("a", 70)
	h.believes(75, "a", "primary")
	h.believes(76, "b", "primary")
	h.believes(80, "a", "replica")
	h.believes(90, "b", "primary")
	found := check.Owners(&h.log)
	require.Len(t, found, 2)
	assert.Equal(t, "stale owner", found[0].Name)
	assert.Equal(t, ms(30), found[0].From)
	assert.Equal(t, ms(70), found[0].To)
	assert.Equal(t, "two owners", found[1].Name)
	assert.Equal(t, ms(70), found[1].From)
	assert.Equal(t, ms(80), found[1].To)

	c, _ := check.Lookup(check.SingleOwner)
	r, err := check.Run(context.Background(), c, &h.log, check.Budget{})
	require.NoError(t, err)
	assert.Equal(t, 1, r.Total, "a stale owner alone breaks no promise")
}
