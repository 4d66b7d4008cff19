package agent

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

func TestKillIsProvenAndHealed(t *testing.T) {
	r := newRoom(t, 1)
	ctx := within(t, 30*time.Second)
	before := r.state(t, r.nodes[0]).Pid
	h, err := r.agent.Inject(ctx, Command{Action: ActionKill, Container: r.nodes[0].id})
	require.NoError(t, err)
	proof, err := h.Effective(ctx)
	require.NoError(t, err)
	require.Equal(t, "n1", proof[0].Node)
	require.Equal(t, "pidfd", proof[0].How)
	require.Less(t, proof[0].Before, proof[0].After)
	require.Less(t, time.Duration(proof[0].After-proof[0].Before), 100*time.Millisecond)
	_, err = r.nodes[0].ask("ping", 200*time.Millisecond)
	require.Error(t, err, "a killed node answers nobody")
	_, err = h.Still(ctx)
	require.NoError(t, err)

	require.NoError(t, h.Heal(ctx))
	_, err = h.Healed(ctx)
	require.NoError(t, err)
	require.NoError(t, h.Heal(ctx), "healing twice is fine")
	require.Eventually(t, func() bool { _, err := r.nodes[0].ask("ping", time.Second); return err == nil }, 5*time.Second, 5*time.Millisecond)
	require.NotEqual(t, before, r.state(t, r.nodes[0]).Pid)
}

func TestPauseFreezesAndThaws(t *testing.T) {
	r := newRoom(t, 1)
	ctx := within(t, 30*time.Second)
	h, err := r.agent.Inject(ctx, Command{Action: ActionPause, Container: r.nodes[0].id})
	require.NoError(t, err)
	proof, err := h.Effective(ctx)
	require.NoError(t, err)
	require.Equal(t, "freezer state", proof[0].How)
	_, err = r.nodes[0].ask("ping", 200*time.Millisecond)
	require.Error(t, err, "a frozen node does not answer, though its kernel accepts")
	left, err := r.agent.Audit(ctx)
	require.NoError(t, err)
	require.Contains(t, left, "node n1 is frozen")

	again, err := r.agent.Inject(ctx, Command{Action: ActionPause, Container: r.nodes[0].id})
	require.NoError(t, err, "pausing twice is one pause")
	require.NoError(t, again.Heal(ctx))
	_, err = h.Healed(ctx)
	require.NoError(t, err)
	_, err = r.nodes[0].ask("ping", time.Second)
	require.NoError(t, err)
	left, err = r.agent.Audit(ctx)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestStopLetsTheProcessEndAndKillsTheStubborn(t *testing.T) {
	r := newRoom(t, 2, stubborn(1))
	ctx := within(t, 30*time.Second)
	h, err := r.agent.Inject(ctx,
		Command{Action: ActionStop, Container: r.nodes[0].id},
		Command{Action: ActionStop, Container: r.nodes[1].id, Params: StopParams{Grace: 300 * time.Millisecond}})
	require.NoError(t, err)
	proof, err := h.Effective(ctx)
	require.NoError(t, err)
	require.NotContains(t, proof[0].Detail, "was killed")
	require.Contains(t, proof[1].Detail, "was killed")
	require.GreaterOrEqual(t, time.Duration(proof[1].After-proof[1].Before), 300*time.Millisecond)
	require.NoError(t, h.Heal(ctx))
	_, err = h.Healed(ctx)
	require.NoError(t, err)
}

func TestRestartBringsTheNodeBackByItself(t *testing.T) {
	r := newRoom(t, 1)
	ctx := within(t, 30*time.Second)
	before := r.state(t, r.nodes[0]).Pid
	h, err := r.agent.Inject(ctx, Command{Action: ActionRestart, Container: r.nodes[0].id})
	require.NoError(t, err)
	proof, err := h.Effective(ctx)
	require.NoError(t, err)
	t.Log(proof[0].Detail)
	require.NotEqual(t, before, r.state(t, r.nodes[0]).Pid)
	require.NoError(t, h.Heal(ctx))
	_, err = h.Healed(ctx)
	require.NoError(t, err)
}

func TestCutIsOneSidedAndSeenByBothEnds(t *testing.T) {
	r := newRoom(t, 3)
	a, b, c := r.nodes[0], r.nodes[1], r.nodes[2]
	ctx := within(t, 30*time.Second)
	require.True(t, a.sees(b) && b.sees(a))
	h, err := r.agent.Inject(ctx,
		Command{Action: ActionCut, Container: a.id, Params: CutParams{From: []string{b.id}}},
		Command{Action: ActionCut, Container: b.id, Params: CutParams{From: []string{a.id}}})
	require.NoError(t, err)
	proof, err := h.Effective(ctx)
	require.NoError(t, err)
	for _, p := range proof {
		require.Equal(t, "rule counter", p.How, p.Detail)
	}
	require.False(t, a.sees(b))
	require.False(t, b.sees(a))
	require.True(t, a.sees(c) && c.sees(a) && c.sees(b), "others are left alone")
	left, err := r.agent.Audit(ctx)
	require.NoError(t, err)
	require.Len(t, left, 4, "two tables, two damages: %v", left)

	require.NoError(t, h.Heal(ctx))
	_, err = h.Healed(ctx)
	require.NoError(t, err)
	require.True(t, a.sees(b) && b.sees(a))
	left, err = r.agent.Audit(ctx)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestCutFromTheHostIsMuteInBothDirections(t *testing.T) {
	r := newRoom(t, 2)
	a, b := r.nodes[0], r.nodes[1]
	ctx := within(t, 30*time.Second)
	host := r.prefix.Addr().Next()
	h, err := r.agent.Inject(ctx, Command{Action: ActionCut, Container: a.id, Params: CutParams{FromAddress: addrs(host), ToAddress: addrs(host)}})
	require.NoError(t, err)
	_, err = h.Effective(ctx)
	require.NoError(t, err)
	_, err = a.ask("ping", 200*time.Millisecond)
	require.Error(t, err)
	require.True(t, b.sees(a))
	require.NoError(t, h.Heal(ctx))
	_, err = a.ask("ping", 2*time.Second)
	require.NoError(t, err)

	// Only the answers are lost: the node hears, the host does not.
	h, err = r.agent.Inject(ctx, Command{Action: ActionCut, Container: a.id, Params: CutParams{ToAddress: addrs(host)}})
	require.NoError(t, err)
	_, err = a.ask("ping", 200*time.Millisecond)
	require.Error(t, err)
	require.NoError(t, h.Heal(ctx))
	_, err = a.ask("ping", 2*time.Second)
	require.NoError(t, err)
}

func TestAVanishedRuleIsNoProof(t *testing.T) {
	r := newRoom(t, 2)
	ctx := within(t, 30*time.Second)
	h, err := r.agent.Inject(ctx, Command{Action: ActionCut, Container: r.nodes[0].id, Params: CutParams{From: []string{r.nodes[1].id}}})
	require.NoError(t, err)
	_, err = h.Effective(ctx)
	require.NoError(t, err)
	// The node is stopped behind the agent's back: its namespace goes.
	_, err = r.engine.Client().ContainerKill(ctx, r.nodes[0].id, client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := h.Still(ctx); return err != nil }, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, h.Heal(ctx), "healing a node that is gone is fine")
}

func TestARestartUnderFaultIsReportedAndTheFaultIsDoneAgain(t *testing.T) {
	r := newRoom(t, 2)
	a, b := r.nodes[0], r.nodes[1]
	ctx := within(t, 30*time.Second)
	h, err := r.agent.Inject(ctx, Command{Action: ActionCut, Container: a.id, Params: CutParams{From: []string{b.id}}})
	require.NoError(t, err)
	_, err = h.Effective(ctx)
	require.NoError(t, err)
	// An observer beside the agent tries all the while: the restarted service
	// must never be reached.
	stop, reached := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				reached <- n
				return
			default:
			}
			if answer, err := b.ask("dial "+a.endpoint()+" 3", time.Second); err == nil && answer == "ok" {
				n++
			}
		}
	}()
	_, err = r.engine.Client().ContainerRestart(ctx, a.id, client.ContainerRestartOptions{Timeout: new(int)})
	require.NoError(t, err)
	gap := awaitEvent(t, r.agent, EventGap)
	require.Equal(t, "n1", gap.Node)
	require.Less(t, gap.Before, gap.After)
	t.Logf("without the fault, and without a process, for %v", time.Duration(gap.After-gap.Before))
	require.Eventually(t, func() bool { _, err := a.ask("ping", time.Second); return err == nil }, 5*time.Second, 5*time.Millisecond)
	close(stop)
	require.Zero(t, <-reached, "the fault was there before the service")
	_, err = h.Still(ctx)
	require.NoError(t, err)
	require.False(t, b.sees(a))
	require.NoError(t, h.Heal(ctx))
	require.Eventually(t, func() bool { return b.sees(a) }, 5*time.Second, 10*time.Millisecond)
}

func TestForeignContainersAreRefused(t *testing.T) {
	mine, other := newRoom(t, 1), newRoom(t, 1)
	ctx := within(t, 30*time.Second)
	for name, id := range map[string]string{"another run's node": other.nodes[0].id, "another run's agent": other.agent.container, "the agent itself": mine.agent.container} {
		for _, action := range []string{ActionKill, ActionPause} {
			_, err := mine.agent.Inject(ctx, Command{Action: action, Container: id})
			require.ErrorIs(t, err, ErrForeign, "%s %s", action, name)
		}
		_, err := mine.agent.Inject(ctx, Command{Action: ActionCut, Container: mine.nodes[0].id, Params: CutParams{From: []string{id}}})
		require.ErrorContains(t, err, ErrForeign.Error())
	}
	_, err := mine.agent.Inject(ctx, Command{Action: ActionKill, Container: "0000000000000000"})
	require.Error(t, err)
	_, err = other.nodes[0].ask("ping", time.Second)
	require.NoError(t, err)
	left, err := mine.agent.Audit(ctx)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAHalfFailedInjectionRevertsItself(t *testing.T) {
	r := newRoom(t, 2)
	ctx := within(t, 30*time.Second)
	_, err := r.agent.Inject(ctx,
		Command{Action: ActionPause, Container: r.nodes[0].id},
		Command{Action: ActionCut, Container: r.nodes[1].id, Params: CutParams{}}) // no peer: refused
	require.Error(t, err)
	_, err = r.nodes[0].ask("ping", time.Second)
	require.NoError(t, err, "the pause was taken back")
	left, err := r.agent.Audit(ctx)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestCloseHealsEverythingAndLeavesNothing(t *testing.T) {
	r := newRoom(t, 2)
	ctx := within(t, 30*time.Second)
	_, err := r.agent.Inject(ctx,
		Command{Action: ActionPause, Container: r.nodes[0].id},
		Command{Action: ActionCut, Container: r.nodes[1].id, Params: CutParams{From: []string{r.nodes[0].id}}})
	require.NoError(t, err)
	require.NoError(t, r.agent.Close(ctx))
	_, err = r.nodes[0].ask("ping", time.Second)
	require.NoError(t, err)
	require.True(t, r.nodes[0].sees(r.nodes[1]))
	require.NoError(t, ignoreGone(r.agent.Close(ctx)))
	for _, left := range r.left(ctx) {
		require.NotContains(t, left, "agent")
		require.NotContains(t, left, "volume")
	}
}

func TestADeadAgentIsReplacedByRecover(t *testing.T) {
	r := newRoom(t, 2)
	ctx := within(t, 60*time.Second)
	h, err := r.agent.Inject(ctx, Command{Action: ActionPause, Container: r.nodes[0].id})
	require.NoError(t, err)
	_, err = h.Effective(ctx)
	require.NoError(t, err)
	_, err = r.engine.Client().ContainerKill(ctx, r.agent.container, client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	<-r.agent.done
	_, err = r.agent.Inject(ctx, Command{Action: ActionPause, Container: r.nodes[1].id})
	require.ErrorIs(t, err, ErrGone)
	_, err = r.nodes[0].ask("ping", 200*time.Millisecond)
	require.Error(t, err, "still frozen: nobody is there to thaw it")
	require.NoError(t, Recover(ctx, r.engine, r.run))
	require.Empty(t, r.left(ctx))
}

func TestProbeNamesWhatIsMissing(t *testing.T) {
	r := newRoom(t, 0)
	m, err := r.agent.Probe(within(t, 10*time.Second))
	require.NoError(t, err)
	for _, mechanism := range m.Mechanisms {
		t.Logf("%-15s %-5v %s", mechanism.Name, mechanism.OK, mechanism.Why)
		require.NotEmpty(t, mechanism.Why)
	}
	for _, name := range []string{"pidfd", "freezer", "nftables"} {
		ok, why := m.Has(name)
		require.True(t, ok, why)
	}
	ok, why := m.Has("no such thing")
	require.False(t, ok)
	require.NotEmpty(t, why)
}

func awaitEvent(t *testing.T, c *Client, kind EventKind) Event {
	for {
		select {
		case e := <-c.Events():
			t.Logf("event %+v", e)
			if e.Kind == kind {
				return e
			}
		case <-time.After(10 * time.Second):
			require.FailNow(t, "no such event", kind)
		}
	}
}

func TestAPauseIsDoneAgainAfterARestart(t *testing.T) {
	r := newRoom(t, 1)
	a := r.nodes[0]
	ctx := within(t, 30*time.Second)
	h, err := r.agent.Inject(ctx, Command{Action: ActionPause, Container: a.id})
	require.NoError(t, err)
	_, err = h.Effective(ctx)
	require.NoError(t, err)
	// A frozen process dies only when thawed (cgroup v1): the engine's restart
	// waits for that, so the node is thawed behind the agent's back.
	_, err = r.engine.Client().ContainerKill(ctx, a.id, client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	thaw(t, a.id)
	require.Eventually(t, func() bool { return !r.state(t, a).Running }, 10*time.Second, 10*time.Millisecond)
	_, err = r.engine.Client().ContainerStart(ctx, a.id, client.ContainerStartOptions{})
	require.NoError(t, err, "freezing again must not hold up the engine's start")
	require.Equal(t, "n1", awaitEvent(t, r.agent, EventGap).Node)
	_, err = h.Still(ctx)
	require.NoError(t, err)
	_, err = a.ask("ping", 200*time.Millisecond)
	require.Error(t, err)
	require.NoError(t, h.Heal(ctx))
	// It was frozen at its start, maybe before it listened: it goes on from there.
	require.Eventually(t, func() bool { _, err := a.ask("ping", time.Second); return err == nil }, 5*time.Second, 5*time.Millisecond)
}

func thaw(t *testing.T, id string) {
	h := &Host{cgroup: "/sys/fs/cgroup", nodes: map[string]*Node{id: {id: id}}}
	if err := h.thawContainer(context.Background(), id); err != nil {
		t.Skip("needs root to thaw from outside:", err)
	}
}
