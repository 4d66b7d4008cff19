package faults

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/harness"
)

var second = harness.Named("n2")

// roundTrip is how long node i takes to answer one line from a client zone,
// connection included: two packets towards it and one more to close.
func (s *stage) roundTrip(t *testing.T, from harness.Vantage, i int) time.Duration {
	start := time.Now()
	require.NoError(t, ping(from, s.nodes[i]))
	return time.Since(start)
}

func TestDelayIsFeltOnItsLinkOnlyAndGoes(t *testing.T) {
	s := newStage(t, 2)
	client, data := s.client(t), s.env.Data()
	i := s.do(t, Delay(Link{To: first, From: Side{Clients: []string{"a"}}}, 60*time.Millisecond))
	assert.GreaterOrEqual(t, s.roundTrip(t, client, 0), 120*time.Millisecond)
	assert.Less(t, s.roundTrip(t, data, 0), 60*time.Millisecond, "another client's packets")
	assert.Less(t, s.roundTrip(t, client, 1), 60*time.Millisecond, "another node")
	_, err := i.(Lasting).Still(context.Background())
	require.NoError(t, err)
	s.undo(t, i)
	assert.Less(t, s.roundTrip(t, client, 0), 60*time.Millisecond)
}

func TestTwoFaultsOnOneLinkAddUpAndHealApart(t *testing.T) {
	s := newStage(t, 2)
	link := Link{To: first, From: Side{Nodes: second}}
	near := func() time.Duration {
		start := time.Now()
		s.sees(t, 1, 0)
		return time.Since(start)
	}
	short := s.do(t, Delay(link, 40*time.Millisecond))
	long := s.do(t, Impair(link, impair.Impairment{Delay: 50 * time.Millisecond, Corrupt: 0.01}))
	assert.GreaterOrEqual(t, near(), 90*time.Millisecond)
	ctx := context.Background()
	require.NoError(t, short.Heal(ctx))
	_, err := short.Healed(ctx)
	require.NoError(t, err)
	took := near()
	assert.GreaterOrEqual(t, took, 50*time.Millisecond)
	assert.Less(t, took, 90*time.Millisecond)
	s.undo(t, long)
	assert.Less(t, near(), 40*time.Millisecond)
}

func TestEveryLinkFaultIsProvenAndHeals(t *testing.T) {
	s := newStage(t, 2)
	link := Link{To: first, From: Side{Nodes: second}}
	for _, f := range []Fault{
		Jitter(link, 20*time.Millisecond, 5*time.Millisecond, impair.Pareto),
		Duplicate(link, 0.5),
		Reorder(link, 0.5, 10*time.Millisecond),
		Corrupt(link, 0.1),
		Delay(Link{To: first}, 10*time.Millisecond),
		Delay(Link{To: first, Proto: impair.TCP, Port: 7000}, 10*time.Millisecond),
	} {
		i := s.do(t, f)
		// A share of damaged packets also meets the few of one short dialogue.
		assert.Eventually(t, func() bool { return s.sees(t, 1, 0) }, 10*time.Second, 10*time.Millisecond, f.Spec().Fault)
		s.undo(t, i)
	}
	i := s.do(t, BurstLoss(link, impair.Burst{EnterBad: 1, LossBad: 1}))
	assert.False(t, s.sees(t, 1, 0), "one burst without an end")
	s.undo(t, i)
	assert.True(t, s.sees(t, 1, 0))
}

func TestImpairedNodeIsImpairedAgainAfterARestart(t *testing.T) {
	s := newStage(t, 2)
	client := s.client(t)
	i := s.do(t, Delay(Link{To: first, From: Side{Clients: []string{"a"}}}, 60*time.Millisecond))
	restart := s.do(t, Restart(first))
	require.Eventually(t, func() bool { return ping(client, s.nodes[0]) == nil }, 10*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return s.roundTrip(t, client, 0) >= 120*time.Millisecond }, 5*time.Second, 10*time.Millisecond)
	require.NoError(t, restart.Heal(context.Background()))
	s.undo(t, i)
}

func TestLinksThatCannotBeAreRefused(t *testing.T) {
	s := newStage(t, 2)
	for name, f := range map[string]Fault{
		"with itself":     Delay(Link{To: first, From: Side{Nodes: first}}, time.Millisecond),
		"nothing at all":  Impair(Link{To: first}, impair.Impairment{}),
		"nonsense":        Corrupt(Link{To: first}, 2),
		"nobody":          Delay(Link{}, time.Millisecond),
		"port of nothing": Delay(Link{To: first, Port: 80}, time.Millisecond),
	} {
		_, err := f.Inject(context.Background(), s.Field)
		assert.Error(t, err, name)
	}
	left, err := s.Agent.Audit(context.Background())
	require.NoError(t, err)
	assert.Empty(t, left)
}
