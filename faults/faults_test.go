package faults

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

// rest selects everybody but the first node.
var first, rest = harness.Named("n1"), harness.Except(harness.Named("n1"))

func TestFaultsOfTheFirstIncrement(t *testing.T) {
	s := newStage(t, 3)
	t.Run("kill", func(t *testing.T) {
		i := s.do(t, Kill(harness.Primary))
		require.Equal(t, "n1", i.Nodes()[0].Name())
		require.Error(t, ping(s.env.Data(), s.nodes[0]))
		s.undo(t, i)
	})
	t.Run("pause", func(t *testing.T) {
		i := s.do(t, Pause(harness.Named("n1", "n2")))
		require.Error(t, ping(s.env.Data(), s.nodes[0]))
		require.Error(t, ping(s.env.Data(), s.nodes[1]))
		require.NoError(t, ping(s.env.Data(), s.nodes[2]))
		s.undo(t, i)
	})
	t.Run("stop", func(t *testing.T) {
		i := s.do(t, StopWithin(first, time.Second))
		require.Error(t, ping(s.env.Data(), s.nodes[0]))
		s.undo(t, i)
	})
	t.Run("restart", func(t *testing.T) { s.undo(t, s.do(t, Restart(first))) })
	t.Run("partition", func(t *testing.T) {
		i := s.do(t, Partition{Left: Side{Nodes: harness.Primary, Clients: []string{"a"}}})
		require.False(t, s.sees(t, 0, 1) || s.sees(t, 1, 0) || s.sees(t, 2, 0))
		require.True(t, s.sees(t, 1, 2))
		require.NoError(t, ping(s.client(t), s.nodes[0]), "the client is on the primary's side")
		require.Error(t, ping(s.client(t), s.nodes[1]))
		require.NoError(t, ping(s.env.Data(), s.nodes[1]), "the run itself goes on seeing every node")
		s.undo(t, i)
		require.NoError(t, ping(s.client(t), s.nodes[1]))
	})
	t.Run("one-way", func(t *testing.T) {
		i := s.do(t, OneWay{From: Side{Clients: []string{"a"}}, To: Side{Nodes: first}})
		require.Error(t, ping(s.client(t), s.nodes[0]))
		require.NoError(t, ping(s.client(t), s.nodes[1]))
		s.undo(t, i)
	})
	t.Run("isolate", func(t *testing.T) {
		i := s.do(t, Isolate(first, "a", ""))
		require.Error(t, ping(s.client(t), s.nodes[0]))
		require.Error(t, ping(s.env.Data(), s.nodes[0]))
		require.False(t, s.sees(t, 1, 0))
		s.undo(t, i)
	})
	t.Run("power loss", func(t *testing.T) {
		i := s.do(t, PowerLoss(first, "a", ""))
		require.Error(t, ping(s.client(t), s.nodes[0]))
		s.undo(t, i)
	})
}

func TestAnAimThatCannotBeIsAnError(t *testing.T) {
	s := newStage(t, 2)
	ctx := context.Background()
	for name, f := range map[string]Fault{
		"no aim":             Kill(nil),
		"nobody plays it":    Pause(harness.Arbiter),
		"unknown node":       Stop(harness.Named("n9")),
		"both sides":         Partition{Left: Side{Nodes: first}, Right: Side{Nodes: harness.Named("n1", "n2")}},
		"empty left":         Partition{Right: Side{Nodes: first}},
		"nothing left over":  Partition{Left: Side{Nodes: harness.Named("n1", "n2")}},
		"clients on clients": Partition{Left: Side{Clients: []string{"a"}}, Right: Side{Clients: []string{""}}},
	} {
		_, err := f.Inject(ctx, s.Field)
		require.Error(t, err, name)
	}
	left, err := s.Agent.Audit(ctx)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTheSameFaultTwiceIsOneFault(t *testing.T) {
	s := newStage(t, 2)
	one := s.do(t, Partition{Left: Side{Nodes: first}})
	two := s.do(t, Partition{Left: Side{Nodes: first}})
	left, err := s.Agent.Audit(context.Background())
	require.NoError(t, err)
	require.Len(t, left, 4, "two tables and two damages, not four of each")
	s.undo(t, one)
	s.undo(t, two)
	require.True(t, s.sees(t, 0, 1))
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	machine := &agent.Machine{Mechanisms: []agent.Mechanism{{Name: "pidfd", OK: true}, {Name: "freezer", Why: "not mounted"}}}
	_, err := Check(machine, Kill(first))
	require.NoError(t, err)
	_, err = Check(machine, Pause(first))
	require.ErrorContains(t, err, "freezer")
	require.ErrorContains(t, err, "not mounted")
	_, err = Check(machine, Partition{Left: Side{Nodes: first}})
	require.ErrorContains(t, err, "nftables")
}

func TestTheCatalogueSaysEverythingAboutEveryFault(t *testing.T) {
	for _, e := range Catalogue() {
		require.NotEmpty(t, e.Meaning, e.Name)
		require.NotEmpty(t, e.Ladder, e.Name)
		require.NotEmpty(t, e.Proof, e.Name)
		require.NotEmpty(t, e.Healing, e.Name)
	}
}

func TestASpecTellsFaultsApart(t *testing.T) {
	seen := map[Spec]bool{}
	for _, f := range []Fault{Kill(first), Kill(rest), Stop(first), StopWithin(first, time.Second), Pause(first), Restart(first), Signal(first, "HUP"), Signal(first, "USR2"), PowerLoss(first), PowerLoss(first, "a"),
		Partition{Left: Side{Nodes: first}}, Partition{Left: Side{Nodes: first}, Right: Side{Clients: []string{"a"}}}, OneWay{From: Side{Nodes: first}}, Isolate(first, "a")} {
		require.False(t, seen[f.Spec()], f.Spec())
		seen[f.Spec()] = true
		require.NotEmpty(t, f.Requires())
	}
}
