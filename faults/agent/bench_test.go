package agent

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkAgent measures what the agent promises: from the client's call to
// the effect as the kernel shows it, in milliseconds, n = 40 each.
//
//	go test ./faults/agent -run '^$' -bench Agent -benchtime 1x
func BenchmarkAgent(b *testing.B) {
	const n = 40
	r := newRoom(b, 6)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	effect := func(commands ...Command) (h *Handle, ms float64) {
		began := monotonic()
		h, err := r.agent.Inject(ctx, commands...)
		require.NoError(b, err)
		proof, err := h.Effective(ctx)
		require.NoError(b, err)
		var last int64
		for _, p := range proof {
			last = max(last, p.After)
		}
		return h, float64(last-began) / 1e6
	}
	heal := func(h *Handle) {
		require.NoError(b, h.Heal(ctx))
		_, err := h.Healed(ctx)
		require.NoError(b, err)
	}
	series := func(name string, once func() float64) {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				values := make([]float64, n)
				for i := range values {
					values[i] = once()
				}
				slices.Sort(values)
				b.ReportMetric(values[n/2], "ms(median)")
				b.ReportMetric(values[n*95/100], "ms(p95)")
				b.ReportMetric(values[n-1], "ms(max)")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
	series("round-trip", func() float64 {
		began := monotonic()
		require.NoError(b, r.agent.Ping(ctx))
		return float64(monotonic()-began) / 1e6
	})
	series("pause", func() float64 {
		h, ms := effect(Command{Action: ActionPause, Container: r.nodes[0].id})
		heal(h)
		return ms
	})
	var cut []Command
	var others []string
	for _, other := range r.nodes[1:] {
		others = append(others, other.id)
		cut = append(cut, Command{Action: ActionCut, Container: other.id, Params: CutParams{From: []string{r.nodes[0].id}}})
	}
	cut = append(cut, Command{Action: ActionCut, Container: r.nodes[0].id, Params: CutParams{From: others}})
	series("partition-1-from-5", func() float64 {
		h, ms := effect(cut...)
		heal(h)
		return ms
	})
	series("kill", func() float64 {
		h, ms := effect(Command{Action: ActionKill, Container: r.nodes[0].id})
		heal(h)
		require.Eventually(b, func() bool { _, err := r.nodes[0].ask("ping", time.Second); return err == nil }, 10*time.Second, 5*time.Millisecond)
		return ms
	})
}
