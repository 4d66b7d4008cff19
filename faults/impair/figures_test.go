package impair_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/internal/netlab"
)

// The accuracy and capacity of the packet queue, as figures:
//
//	go test ./faults/impair -run '^$' -bench . -benchtime 1x

// normal distribution's 99th percentile, in standard deviations.
const z99 = 2.326

func BenchmarkJitterAt10kPacketsPerSecond(b *testing.B) {
	p := netlab.New(b)
	i := open(b, p)
	link := impair.FromAddr(p.Left.Addr)
	for b.Loop() {
		idle := netlab.Latencies(p.Probe(b, 7101, 20_000, 10_000, 300*time.Millisecond))
		set(b, i, link, impair.Impairment{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond})
		const n = 50_000
		got := netlab.Latencies(p.Probe(b, 7102, n, 10_000, 300*time.Millisecond))
		_, err := i.Clear(b.Context(), link)
		require.NoError(b, err)
		assert.Len(b, got, n, "no packet is lost")
		p50, p99 := netlab.Quantile(got, 0.50), netlab.Quantile(got, 0.99)
		want99 := 20*time.Millisecond + time.Duration(z99*5e6)
		b.ReportMetric(ms(p50), "p50-ms")
		b.ReportMetric(ms(p50-20*time.Millisecond), "p50-error-ms")
		b.ReportMetric(ms(p99), "p99-ms")
		b.ReportMetric(ms(p99-want99), "p99-error-ms")
		b.ReportMetric(ms(netlab.Quantile(idle, 0.5)), "idle-p50-ms")
		b.ReportMetric(ms(netlab.Quantile(idle, 0.99)), "idle-p99-ms")
		b.ReportMetric(n, "n")
	}
}

func BenchmarkDelayedPacketsPerSecond(b *testing.B) {
	p := netlab.New(b)
	i := open(b, p)
	set(b, i, impair.FromAddr(p.Left.Addr), impair.Impairment{Delay: time.Millisecond})
	for b.Loop() {
		const n = 200_000
		start := time.Now()
		got := p.Probe(b, 7103, n, 65_000, 300*time.Millisecond)
		took := time.Since(start) - 300*time.Millisecond
		b.ReportMetric(float64(len(got))/took.Seconds(), "packets/s")
		b.ReportMetric(float64(n-len(got)), "lost")
		b.ReportMetric(n, "n")
		status, err := i.Status()
		require.NoError(b, err)
		b.ReportMetric(float64(status[0].KernelDropped), "kernel-dropped")
		b.ReportMetric(ms(netlab.Quantile(netlab.Latencies(got), 0.99)), "p99-ms")
	}
}

func BenchmarkTCPThroughput(b *testing.B) {
	for _, c := range []struct {
		name  string
		delay time.Duration
	}{{"0ms", 0}, {"1ms", time.Millisecond}, {"20ms", 20 * time.Millisecond}} {
		b.Run(c.name, func(b *testing.B) {
			p := netlab.New(b)
			i := open(b, p)
			set(b, i, impair.FromAddr(p.Left.Addr), impair.Impairment{Delay: c.delay})
			for b.Loop() {
				b.ReportMetric(p.Throughput(b, 7104, 3*time.Second)/1e9, "Gbit/s")
			}
		})
	}
}

// BenchmarkChange measures from the order to the moment from which packets are
// judged by it: a link that was sound, and one that was impaired otherwise.
func BenchmarkChange(b *testing.B) {
	const rounds = 40
	for _, c := range []struct {
		name  string
		sound bool // before each change
	}{{"set", true}, {"changed", false}} {
		b.Run(c.name, func(b *testing.B) {
			p := netlab.New(b)
			i := open(b, p)
			link := impair.FromAddr(p.Left.Addr)
			set(b, i, link, impair.Impairment{Delay: time.Millisecond})
			for b.Loop() {
				var took []time.Duration
				for n := range rounds {
					if c.sound {
						_, err := i.Clear(b.Context(), link)
						require.NoError(b, err)
						// The kernel takes no rule with an xtables target before
						// it has destroyed those that were deleted (nft_compat
						// waits for them, which takes one grace period).
						time.Sleep(100 * time.Millisecond)
					}
					change, err := i.Set(b.Context(), link, impair.Impairment{Delay: time.Duration(2+n%2) * time.Millisecond, Corrupt: 0.01 * float64(n%2)})
					require.NoError(b, err)
					took = append(took, change.After.Sub(change.Before))
				}
				slices.Sort(took)
				b.ReportMetric(ms(took[rounds/2]), "median-ms")
				b.ReportMetric(ms(took[rounds*99/100]), "p99-ms")
				b.ReportMetric(ms(took[rounds-1]), "max-ms")
				b.ReportMetric(rounds, "n")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
