package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

// What connections suffer is told by the nodes at both ends, never by the
// injector.
func TestFaultsOfConnections(t *testing.T) {
	s := newStage(t, 3)
	second := harness.Named("n2")
	link := Link{To: first, From: Side{Nodes: second}, Port: 7000}
	t.Run("drop-connects", func(t *testing.T) {
		require.Equal(t, "ok", s.tells(t, 1, "hold "+s.at(0)))
		i := s.do(t, DropConnects(link))
		require.Equal(t, "timeout", s.tells(t, 1, "dial "+s.at(0)))
		require.Equal(t, "pong", s.tells(t, 1, "use "+s.at(0)), "established connections go on")
		require.Equal(t, "ok", s.tells(t, 2, "dial "+s.at(0)), "others get through")
		s.undo(t, i)
		require.Equal(t, "ok", s.tells(t, 1, "dial "+s.at(0)))
	})
	t.Run("refuse-connects", func(t *testing.T) {
		i := s.do(t, RefuseConnects(link))
		require.Equal(t, "refused", s.tells(t, 1, "dial "+s.at(0)))
		require.Equal(t, "pong", s.tells(t, 1, "use "+s.at(0)))
		s.undo(t, i)
	})
	t.Run("blackhole", func(t *testing.T) {
		i := s.do(t, Blackhole(link))
		require.Equal(t, "timeout", s.tells(t, 1, "dial "+s.at(0)))
		require.Equal(t, "timeout", s.tells(t, 1, "use "+s.at(0)), "established connections go silent")
		require.Equal(t, "ok", s.tells(t, 0, "dial "+s.at(1)), "the other direction's port is open")
		s.undo(t, i)
	})
	t.Run("reset-connections", func(t *testing.T) {
		require.Equal(t, "ok", s.tells(t, 1, "hold "+s.at(0)))
		require.Equal(t, "ok", s.tells(t, 2, "hold "+s.at(0)))
		i := s.do(t, ResetConnections(link))
		require.Equal(t, "reset", s.tells(t, 1, "use "+s.at(0)))
		require.Equal(t, "pong", s.tells(t, 2, "use "+s.at(0)))
		s.undo(t, i)
		require.Equal(t, "ok", s.tells(t, 1, "hold "+s.at(0)))
	})
	t.Run("half-open", func(t *testing.T) {
		require.Equal(t, "pong", s.tells(t, 1, "use "+s.at(0)))
		i := s.do(t, HalfOpen{Keeps: second, Loses: first})
		require.Equal(t, "ok", s.tells(t, 1, "dial "+s.at(0)), "the cut is over")
		require.Equal(t, "reset", s.tells(t, 1, "use "+s.at(0)), "the keeper learns of it when it sends")
		s.undo(t, i)
	})
	t.Run("slow-close", func(t *testing.T) {
		require.Equal(t, "ok", s.tells(t, 1, "hold "+s.at(0)))
		i := s.do(t, SlowClose(link))
		require.Equal(t, "pong", s.tells(t, 1, "use "+s.at(0)))
		require.Equal(t, "ok", s.tells(t, 1, "release "+s.at(0)))
		time.Sleep(100 * time.Millisecond)
		require.NotEqual(t, "0", s.tells(t, 0, "open "+s.nodes[1].Addr().String()), "the node keeps what its peer has closed")
		s.undo(t, i)
		require.Eventually(t, func() bool { return s.tells(t, 0, "open "+s.nodes[1].Addr().String()) == "0" }, 5*time.Second, 20*time.Millisecond)
	})
	t.Run("loss", func(t *testing.T) {
		i := s.do(t, Loss(Link{To: first, From: Side{Nodes: second}}, 0.5))
		lost := 0
		for range 30 {
			if s.tells(t, 1, "dial "+s.at(0)) == "timeout" {
				lost++
			}
		}
		t.Logf("%d of 30 connection attempts lost at a chance of 0.5", lost)
		require.Greater(t, lost, 4)
		require.Less(t, lost, 29)
		s.undo(t, i)
	})
	t.Run("bandwidth", func(t *testing.T) {
		i := s.do(t, Bandwidth(first, 1_000_000, 1_000_000))
		out := s.tells(t, 0, "send "+s.at(1)+" 2")
		in := s.tells(t, 1, "send "+s.at(0)+" 2")
		t.Logf("set 1000000 bytes a second; sending reached %s, receiving %s", out, in)
		require.InDelta(t, 1_000_000, number(t, out), 250_000)
		require.InDelta(t, 1_000_000, number(t, in), 250_000)
		s.undo(t, i)
		require.Greater(t, number(t, s.tells(t, 0, "send "+s.at(1)+" 2")), 3_000_000.0)
	})
	t.Run("name resolution", func(t *testing.T) {
		name := "hadrill-" + s.env.Run() + "-n2" // the engine itself knows it: nothing is asked of anybody else
		require.Equal(t, "ok", s.tells(t, 0, "lookup "+name))
		i := s.do(t, DNSTimeout(first))
		require.Equal(t, "timeout", s.tells(t, 0, "lookup "+name))
		s.undo(t, i)
		i = s.do(t, DNSNoSuchName(first))
		require.Equal(t, "no such name", s.tells(t, 0, "lookup "+name))
		s.undo(t, i)
		i = s.do(t, DNSFailure(first))
		require.Contains(t, s.tells(t, 0, "lookup "+name), "server misbehaving")
		s.undo(t, i)
		require.Equal(t, "ok", s.tells(t, 0, "lookup "+name))
	})
}

func TestFaultsOfProcessorAndMemory(t *testing.T) {
	s := newStage(t, 2)
	t.Run("cpu-quota", func(t *testing.T) {
		before := number(t, s.tells(t, 0, "work"))
		i := s.do(t, SlowCPU(first, 0.1))
		during := number(t, s.tells(t, 0, "work"))
		t.Logf("with a tenth of a processor %.0f %% of the work is done", 100*during/before)
		require.Less(t, during, before/3)
		s.undo(t, i)
		require.Greater(t, number(t, s.tells(t, 0, "work")), before/3)
	})
	t.Run("memory-pressure", func(t *testing.T) {
		i := s.do(t, MemoryPressure(first, 64<<20))
		require.Equal(t, "ok", s.tells(t, 0, "take 16"))
		_, err := ask(s.env.Data(), s.nodes[0], "take 256")
		require.Error(t, err, "a node that takes more is killed")
		require.NoError(t, i.Heal(t.Context()))
		s.undo(t, s.do(t, Kill(first))) // bring it back
	})
	t.Run("memory-pressure healed", func(t *testing.T) {
		i := s.do(t, MemoryPressure(first, 32<<20))
		s.undo(t, i)
		require.Equal(t, "ok", s.tells(t, 0, "take 128"))
	})
	t.Run("oom-kill", func(t *testing.T) {
		i := s.do(t, OOMKill(first))
		require.Error(t, ping(s.env.Data(), s.nodes[0]))
		require.Eventually(t, func() bool { return oomKilled(t, s, 0) }, 5*time.Second, 20*time.Millisecond, "the engine says so too")
		s.undo(t, i)
		require.Equal(t, "ok", s.tells(t, 0, "take 128"), "the limit is gone")
	})
	t.Run("crash-loop", func(t *testing.T) {
		i := s.do(t, CrashLoop(first, 50*time.Millisecond, 1000))
		starts := startsOf(t, s, 0)
		require.Eventually(t, func() bool { return startsOf(t, s, 0) != starts }, 10*time.Second, 5*time.Millisecond)
		starts = startsOf(t, s, 0)
		require.Eventually(t, func() bool { return startsOf(t, s, 0) != starts }, 10*time.Second, 5*time.Millisecond)
		s.undo(t, i)
	})
}
