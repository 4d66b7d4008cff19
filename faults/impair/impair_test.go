package impair_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/internal/netlab"
)

func open(t testing.TB, p *netlab.Pair) *impair.Impairer {
	t.Helper()
	i, err := impair.Open(p.Right.Path, impair.Options{Seed: 7})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, i.Close()) })
	return i
}

func set(t testing.TB, i *impair.Impairer, l impair.Link, im impair.Impairment) {
	t.Helper()
	_, err := i.Set(t.Context(), l, im)
	require.NoError(t, err)
}

func TestDelayIsAddedToEveryPacketAndGoesWithHealing(t *testing.T) {
	p := netlab.New(t)
	i := open(t, p)
	link := impair.FromAddr(p.Left.Addr)
	set(t, i, link, impair.Impairment{Delay: 20 * time.Millisecond})

	got := netlab.Latencies(p.Probe(t, 7001, 500, 1000, 300*time.Millisecond))
	require.Len(t, got, 500)
	assert.GreaterOrEqual(t, got[0], 20*time.Millisecond, "no packet is early")
	assert.Less(t, netlab.Quantile(got, 0.5), 25*time.Millisecond)

	status, err := i.Status()
	require.NoError(t, err)
	require.Len(t, status, 1)
	assert.EqualValues(t, 500, status[0].Counts.Delayed)
	assert.Zero(t, status[0].KernelDropped)

	_, err = i.Clear(t.Context(), link)
	require.NoError(t, err)
	got = netlab.Latencies(p.Probe(t, 7002, 500, 1000, 300*time.Millisecond))
	require.Len(t, got, 500)
	assert.Less(t, netlab.Quantile(got, 0.5), 5*time.Millisecond)
	_, err = i.Clear(t.Context(), link)
	assert.NoError(t, err, "healing twice is fine")
}

func TestOnlyTheNamedLinkIsImpairedAndTheNarrowestRules(t *testing.T) {
	p := netlab.New(t)
	i := open(t, p)
	set(t, i, impair.Link{Proto: impair.UDP, Port: 7003}, impair.Impairment{Delay: 30 * time.Millisecond})
	set(t, i, impair.FromAddr(netip.MustParseAddr("10.203.0.99")), impair.Impairment{Loss: 1})
	set(t, i, impair.Link{}, impair.Impairment{Delay: 10 * time.Millisecond})

	named := netlab.Latencies(p.Probe(t, 7003, 100, 1000, 300*time.Millisecond))
	other := netlab.Latencies(p.Probe(t, 7004, 100, 1000, 300*time.Millisecond))
	require.Len(t, named, 100)
	require.Len(t, other, 100)
	assert.InDelta(t, 30e6, netlab.Quantile(named, 0.5), 5e6)
	assert.InDelta(t, 10e6, netlab.Quantile(other, 0.5), 5e6)
}

func TestLossDuplicationReorderingAndCorruptionHitTheirShare(t *testing.T) {
	const n = 4000
	for _, c := range []struct {
		name       string
		impairment impair.Impairment
		check      func(t *testing.T, got []netlab.Arrival)
	}{
		{"loss", impair.Impairment{Loss: 0.1}, func(t *testing.T, got []netlab.Arrival) {
			assert.InDelta(t, 0.9*n, len(got), 0.03*n)
		}},
		{"burst", impair.Impairment{Burst: &impair.Burst{EnterBad: 0.02, LeaveBad: 0.2, LossBad: 1}}, func(t *testing.T, got []netlab.Arrival) {
			assert.InDelta(t, (1-0.02/0.22)*n, len(got), 0.04*n)
			assert.InDelta(t, 5, meanGap(got), 1.5, "mean burst length is 1/r")
		}},
		{"duplicate", impair.Impairment{Duplicate: 0.2}, func(t *testing.T, got []netlab.Arrival) {
			assert.InDelta(t, 1.2*n, len(got), 0.04*n)
			assert.Len(t, distinct(got), n, "no original is lost")
		}},
		{"reorder", impair.Impairment{Delay: 10 * time.Millisecond, Reorder: 0.1}, func(t *testing.T, got []netlab.Arrival) {
			assert.Len(t, got, n)
			assert.InDelta(t, 0.1*n, overtakers(got), 0.03*n)
		}},
		{"corrupt", impair.Impairment{Corrupt: 0.1}, func(t *testing.T, got []netlab.Arrival) {
			assert.InDelta(t, 0.9*n, len(got), 0.03*n, "the receiver's checksum refuses them")
		}},
		{"in order", impair.Impairment{Delay: 10 * time.Millisecond, Jitter: 3 * time.Millisecond, InOrder: true}, func(t *testing.T, got []netlab.Arrival) {
			assert.Len(t, got, n)
			assert.Zero(t, overtakers(got))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := netlab.New(t)
			i := open(t, p)
			set(t, i, impair.FromAddr(p.Left.Addr), c.impairment)
			c.check(t, p.Probe(t, 7005, n, 4000, 300*time.Millisecond))
		})
	}
}

func TestChangeTakesEffectLiveWithinFiveMilliseconds(t *testing.T) {
	p := netlab.New(t)
	i := open(t, p)
	link := impair.FromAddr(p.Left.Addr)
	set(t, i, link, impair.Impairment{Delay: time.Millisecond})
	in, out := p.Right.ListenUDP(t, 7006), p.Left.DialUDP(t, p.Right, 7006)
	for n, im := range []impair.Impairment{{Delay: 40 * time.Millisecond}, {Delay: time.Millisecond, Corrupt: 0.0001}, {Delay: 20 * time.Millisecond}} {
		c, err := i.Set(t.Context(), link, im)
		require.NoError(t, err)
		assert.Less(t, c.After.Sub(c.Before), 5*time.Millisecond, "change %d", n)
		start := time.Now()
		_, err = out.Write([]byte("x"))
		require.NoError(t, err)
		_, err = in.Read(make([]byte, 8))
		require.NoError(t, err)
		assert.InDelta(t, im.Delay, time.Since(start), 6e6, "change %d", n)
	}
}

func TestClosingLetsHeldPacketsGoAndLeavesNothing(t *testing.T) {
	p := netlab.New(t)
	i, err := impair.Open(p.Right.Path, impair.Options{})
	require.NoError(t, err)
	set(t, i, impair.FromAddr(p.Left.Addr), impair.Impairment{Delay: 20 * time.Second})
	in, out := p.Right.ListenUDP(t, 7007), p.Left.DialUDP(t, p.Right, 7007)
	for range 50 {
		_, err := out.Write([]byte("held"))
		require.NoError(t, err)
	}
	time.Sleep(20 * time.Millisecond)
	found, err := impair.Residue(p.Right.Path)
	require.NoError(t, err)
	assert.Len(t, found, 2, "the audit sees a table and a queue: %v", found)

	require.NoError(t, i.Close())
	require.NoError(t, i.Close(), "closing twice is fine")
	require.NoError(t, in.SetReadDeadline(time.Now().Add(time.Second)))
	for n := range 50 {
		_, err := in.Read(make([]byte, 8))
		require.NoError(t, err, "held packet %d", n)
	}
	found, err = impair.Residue(p.Right.Path)
	require.NoError(t, err)
	assert.Empty(t, found)
	_, err = i.Set(t.Context(), impair.Link{}, impair.Impairment{})
	assert.Error(t, err)
}

func TestNamespaceTakesOneImpairerOfAName(t *testing.T) {
	p := netlab.New(t)
	open(t, p)
	_, err := impair.Open(p.Right.Path, impair.Options{})
	assert.ErrorContains(t, err, "hadrill_impair")
	second, err := impair.Open(p.Right.Path, impair.Options{Name: "second"})
	require.NoError(t, err)
	_, err = second.Set(t.Context(), impair.Link{}, impair.Impairment{Delay: time.Millisecond})
	assert.NoError(t, err)
	assert.NoError(t, second.Close())
}

func TestWrongParametersAreRefused(t *testing.T) {
	for name, im := range map[string]impair.Impairment{
		"share above one":        {Loss: 1.1},
		"negative delay":         {Delay: -1},
		"endless delay":          {Delay: time.Hour},
		"reorder without delay":  {Reorder: 0.1},
		"loss twice":             {Loss: 0.1, Burst: &impair.Burst{EnterBad: 0.1, LossBad: 1}},
		"burst without any loss": {Burst: &impair.Burst{EnterBad: 0.1, LeaveBad: 0.1}},
		"unknown distribution":   {Jitter: 1, Distribution: "zipf"},
		"reorder kept in order":  {Delay: 1, Reorder: 0.1, InOrder: true},
	} {
		assert.Error(t, im.Validate(), name)
	}
	assert.NoError(t, impair.Impairment{}.Validate())
	assert.Error(t, impair.Link{Port: 80}.Validate())
	assert.Error(t, impair.Link{Proto: "sctp"}.Validate())
}

func TestImpairmentTravelsAsJSON(t *testing.T) {
	want := impair.Impairment{
		Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Distribution: impair.Pareto,
		Burst: &impair.Burst{EnterBad: 0.01, LeaveBad: 0.2, LossBad: 0.9}, Duplicate: 0.1,
	}
	b, err := json.Marshal(want)
	require.NoError(t, err)
	var got impair.Impairment
	require.NoError(t, json.Unmarshal(b, &got))
	assert.Equal(t, want, got)
	assert.Equal(t, "delay=20ms jitter=5ms distribution=pareto duplicate=10% burst=0.01/0.2/0.9/0", got.String())
	assert.Equal(t, "none", impair.Impairment{}.String())
	assert.True(t, impair.Impairment{}.IsZero())
	link := impair.Link{From: netip.MustParsePrefix("10.0.0.0/24"), Proto: impair.TCP, Port: 6379}
	b, err = json.Marshal(link)
	require.NoError(t, err)
	var back impair.Link
	require.NoError(t, json.Unmarshal(b, &back))
	assert.Equal(t, link, back)
}

func TestCancelledChangeSaysSo(t *testing.T) {
	p := netlab.New(t)
	i := open(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := i.Set(ctx, impair.Link{}, impair.Impairment{Delay: time.Millisecond})
	if err != nil { // the acknowledgement may win the race
		assert.ErrorIs(t, err, context.Canceled)
	}
}

func distinct(got []netlab.Arrival) map[uint64]bool {
	seen := map[uint64]bool{}
	for _, a := range got {
		seen[a.Sequence] = true
	}
	return seen
}

// overtakers counts packets that arrived before an earlier one.
func overtakers(got []netlab.Arrival) int {
	n, least := 0, ^uint64(0)
	for k := len(got) - 1; k >= 0; k-- {
		if got[k].Sequence > least {
			n++
		}
		least = min(least, got[k].Sequence)
	}
	return n
}

// meanGap is the mean length of the runs of packets that never arrived.
func meanGap(got []netlab.Arrival) float64 {
	var gaps, lost int
	for k := 1; k < len(got); k++ {
		if d := int(got[k].Sequence - got[k-1].Sequence - 1); d > 0 {
			gaps, lost = gaps+1, lost+d
		}
	}
	return float64(lost) / float64(max(1, gaps))
}
