package netem_test

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/internal/netlab"
	"github.com/hadrill/hadrill/faults/internal/uml"
	"github.com/hadrill/hadrill/faults/netem"
)

func TestMain(m *testing.M) {
	uml.Main(m)
	goleak.VerifyTestMain(m)
}

// The tests named TestNetem... need a kernel with netem. This one brings it.
func TestOnAKernelWithNetem(t *testing.T) {
	if uml.Inside() {
		t.Skip("already there")
	}
	uml.Run(t, "TestNetem", "veth", "ifb", "sch_netem", "sch_ingress", "cls_flower", "act_mirred")
}

func TestProbeNamesWhatIsMissing(t *testing.T) {
	p := netlab.New(t)
	err := netem.Probe(p.Right.Path)
	if err == nil {
		t.Skip("this kernel has netem")
	}
	assert.ErrorIs(t, err, netem.ErrMissing)
	assert.Regexp(t, "module (sch_netem|ifb|sch_ingress|cls_flower or act_mirred)", err.Error())
	found, err := netem.Residue(p.Right.Path)
	assert.NoError(t, err)
	assert.Empty(t, found, "a failed probe leaves nothing")
}

func TestKeepingOrderIsRefused(t *testing.T) {
	assert.Error(t, netem.Supports(impair.Impairment{Jitter: time.Millisecond, InOrder: true}))
	assert.NoError(t, netem.Supports(impair.Impairment{Jitter: time.Millisecond}))
}

// lab is skipped unless the kernel has netem, so that plain go test on a
// machine without it reports these tests through the other kernel only.
func lab(t *testing.T) *netlab.Pair {
	p := netlab.New(t)
	if err := netem.Probe(p.Right.Path); err != nil {
		if uml.Inside() {
			require.NoError(t, err)
		}
		t.Skip(err)
	}
	return p
}

func set(t *testing.T, p *netlab.Pair, l impair.Link, im impair.Impairment) {
	t.Helper()
	_, err := netem.Set(t.Context(), p.Right.Path, l, im)
	require.NoError(t, err)
}

func TestNetemDelaysAndHeals(t *testing.T) {
	p := lab(t)
	link := impair.FromAddr(p.Left.Addr)
	idle := netlab.Quantile(netlab.Latencies(p.Probe(t, 7300, 200, 500, 200*time.Millisecond)), 0.5)
	set(t, p, link, impair.Impairment{Delay: 50 * time.Millisecond})
	got := netlab.Latencies(p.Probe(t, 7301, 200, 500, 400*time.Millisecond))
	require.Len(t, got, 200)
	assert.GreaterOrEqual(t, got[0], 50*time.Millisecond)
	assert.Less(t, netlab.Quantile(got, 0.5), 50*time.Millisecond+idle+20*time.Millisecond)
	s, err := netem.Status(p.Right.Path, link)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, s.Passed, uint64(200))

	c, err := netem.Set(t.Context(), p.Right.Path, link, impair.Impairment{Delay: 150 * time.Millisecond})
	require.NoError(t, err)
	t.Logf("live change took %v", c.After.Sub(c.Before))
	got = netlab.Latencies(p.Probe(t, 7302, 100, 500, 400*time.Millisecond))
	require.Len(t, got, 100)
	assert.GreaterOrEqual(t, got[0], 150*time.Millisecond, "changed live")

	for range 2 {
		_, err = netem.Clear(t.Context(), p.Right.Path, link)
		require.NoError(t, err, "healing twice is fine")
	}
	got = netlab.Latencies(p.Probe(t, 7303, 100, 500, 200*time.Millisecond))
	require.Len(t, got, 100)
	assert.Less(t, netlab.Quantile(got, 0.5), 40*time.Millisecond)
	_, err = netem.Status(p.Right.Path, link)
	assert.Error(t, err, "a healed link has no state")
}

// The low quantiles tell the distributions apart. Two things move them: chance,
// by the standard error of a quantile of 400 packets, sqrt(q(1-q)/n) over the
// density there, of which four are allowed to either side; and a busy machine,
// which only adds to a delay, so that one round it left alone is enough.
func TestNetemJitterFollowsItsDistribution(t *testing.T) {
	const n, busy = 400, 12 // packets a round; milliseconds
	type quantile struct{ q, ms, chance float64 }
	p := lab(t)
	link := impair.FromAddr(p.Left.Addr)
	for _, c := range []struct {
		distribution impair.Distribution
		want         []quantile
	}{
		{impair.Uniform, []quantile{{0.05, 146, 1.3}, {0.25, 170, 2.6}}},
		{impair.Normal, []quantile{{0.05, 101.3, 6.3}, {0.25, 159.5, 4.1}}},
		{impair.Pareto, []quantile{{0.05, 166.6, 1}, {0.25, 172.3, 1}}},
	} {
		set(t, p, link, impair.Impairment{Delay: 200 * time.Millisecond, Jitter: 60 * time.Millisecond, Distribution: c.distribution})
		for round := 1; ; round++ {
			got := netlab.Latencies(p.Probe(t, 7304, n, 200, 600*time.Millisecond))
			met := true
			for _, w := range c.want {
				ms := float64(netlab.Quantile(got, w.q)) / 1e6
				met = met && ms > w.ms-4*w.chance && ms < w.ms+4*w.chance+busy
				t.Logf("%s, round %d: quantile %v is %.1f ms, wanted %v ± %.1f, n=%d", c.distribution, round, w.q, ms, w.ms, 4*w.chance, len(got))
			}
			if met {
				break
			}
			require.Less(t, round, 8, "the distribution was never met")
		}
	}
}

func TestNetemSharesAndBursts(t *testing.T) {
	p := lab(t)
	link := impair.FromAddr(p.Left.Addr)
	const n, rate, grace = 1200, 1000, 300 * time.Millisecond
	for _, c := range []struct {
		im   impair.Impairment
		want float64
	}{
		{impair.Impairment{Loss: 0.2}, 0.8},
		{impair.Impairment{Burst: &impair.Burst{EnterBad: 0.1, LeaveBad: 0.4, LossBad: 1}}, 0.8},
		{impair.Impairment{Duplicate: 0.2}, 1.2},
		// netem flips any byte, the sender's hardware address included, which nobody checks.
		{impair.Impairment{Corrupt: 0.2}, 0.83},
	} {
		set(t, p, link, c.im)
		got := p.Probe(t, 7305, n, rate, grace)
		assert.InDelta(t, c.want, float64(len(got))/n, 0.06, c.im.String())
	}
	set(t, p, link, impair.Impairment{Delay: 200 * time.Millisecond, Reorder: 0.2})
	got := p.Probe(t, 7306, n, rate, 2*grace)
	early := 0
	for _, a := range got {
		if a.Latency < 150*time.Millisecond {
			early++
		}
	}
	assert.InDelta(t, n, len(got), 0.02*n, "no packet is lost")
	assert.InDelta(t, 0.2, float64(early)/n, 0.05, "reorder")
}

func TestNetemMatchesTheNarrowestLinkOnly(t *testing.T) {
	p := lab(t)
	set(t, p, impair.Link{}, impair.Impairment{Delay: 60 * time.Millisecond})
	set(t, p, impair.Link{Proto: impair.UDP, Port: 7307}, impair.Impairment{Delay: 200 * time.Millisecond})
	set(t, p, impair.FromAddr(netip.MustParseAddr("10.203.0.77")), impair.Impairment{Loss: 1})
	named := netlab.Latencies(p.Probe(t, 7307, 50, 500, 400*time.Millisecond))
	other := netlab.Latencies(p.Probe(t, 7308, 50, 500, 400*time.Millisecond))
	require.Len(t, named, 50)
	require.Len(t, other, 50)
	assert.InDelta(t, 200, float64(netlab.Quantile(named, 0.5))/1e6, 30)
	assert.InDelta(t, 60, float64(netlab.Quantile(other, 0.5))/1e6, 30)

	found, err := netem.Residue(p.Right.Path)
	require.NoError(t, err)
	assert.Len(t, found, 3)
	require.NoError(t, netem.Sweep(p.Right.Path))
	require.NoError(t, netem.Sweep(p.Right.Path))
	found, err = netem.Residue(p.Right.Path)
	require.NoError(t, err)
	assert.Empty(t, found)
	assert.Len(t, p.Probe(t, 7309, 50, 500, 200*time.Millisecond), 50, "nothing is redirected into nowhere")
}

func TestGoneNamespaceHasNothingToHeal(t *testing.T) {
	gone := "/proc/" + "4194305" + "/ns/net"
	_, err := os.Stat(gone)
	require.Error(t, err)
	_, err = netem.Clear(t.Context(), gone, impair.Link{})
	assert.NoError(t, err)
	assert.NoError(t, netem.Sweep(gone))
	found, err := netem.Residue(gone)
	assert.NoError(t, err)
	assert.Empty(t, found)
}
