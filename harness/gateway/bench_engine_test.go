package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/registry"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/harness/gateway"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/nginx"
)

func BenchmarkLife(b *testing.B) { testenv.Life(b, gateway.Pool{Services: 3}) }

func BenchmarkLifeWithARegistry(b *testing.B) {
	testenv.Life(b, gateway.Pool{Gateways: 2, Services: 3, Registry: &etcd.Cluster{Members: 3}})
}

const (
	benchBackends = 3
	benchClients  = 32
	benchTurn     = 2 * time.Second
	benchRounds   = 5
)

// BenchmarkAgainstNginx compares the gateway with nginx as a reverse proxy: the
// same machine, the same backends, the same clients, turn by turn, so that
// whatever else the machine does meets both alike. The clients are closed-loop,
// because the question is the most that each can do.
//
//	go test ./harness/gateway -run '^$' -bench AgainstNginx -benchtime 1x
func BenchmarkAgainstNginx(b *testing.B) {
	ctx, eng := testenv.Engine(b)
	env, err := harness.NewEnv(ctx, eng, harness.Options{Run: testenv.RunID(), Dir: b.TempDir()})
	require.NoError(b, err)
	defer func() { require.NoError(b, env.Close(context.WithoutCancel(ctx))) }()

	upstream := nginx.Upstream{Workers: 2, Keepalive: 64}
	for i := range benchBackends {
		upstream.Servers = append(upstream.Servers, nginx.Server{Name: gateway.ServiceName(i)})
	}
	running, err := upstream.Start(ctx, env)
	require.NoError(b, err)
	defer func() { require.NoError(b, running.(harness.Stopper).Stop(ctx)) }()
	route := proxy.Route{Name: "all", Balance: proxy.TwoChoices, Health: &proxy.Health{}, Outlier: &proxy.Outlier{}}
	for _, n := range running.Nodes()[1:] {
		route.Instances = append(route.Instances, registry.Instance{ID: n.Name(), Addr: netip.AddrPortFrom(n.Addr(), components.DefaultPort).String()})
	}
	text, err := proxy.FormatRoutes([]proxy.Route{route})
	require.NoError(b, err)
	nodes, err := env.Start(ctx, components.GatewaySpec(env, "gateway", map[string]string{"HADRILL_ROUTES": text}))
	require.NoError(b, err)

	targets := map[string]string{
		"nginx":   running.(harness.HTTPServer).URL(),
		"gateway": fmt.Sprintf("http://%s", netip.AddrPortFrom(nodes[0].Addr(), proxy.DefaultPort)),
	}
	rates, tails := map[string][]float64{}, map[string][]float64{}
	for range b.N {
		for range benchRounds {
			for _, name := range []string{"nginx", "gateway"} {
				rate, p99 := exhaust(ctx, b, env.Data(), targets[name])
				rates[name], tails[name] = append(rates[name], rate), append(tails[name], p99.Seconds())
			}
		}
	}
	for _, name := range []string{"nginx", "gateway"} {
		b.Logf("%s: %.0f requests/s (min %.0f, max %.0f), p99 %.2f ms (min %.2f, max %.2f), n=%d", name,
			median(rates[name]), slices.Min(rates[name]), slices.Max(rates[name]),
			1000*median(tails[name]), 1000*slices.Min(tails[name]), 1000*slices.Max(tails[name]), len(rates[name]))
		b.ReportMetric(median(rates[name]), name+"-req/s")
		b.ReportMetric(1000*median(tails[name]), name+"-p99-ms")
	}
	b.ReportMetric(median(rates["gateway"])/median(rates["nginx"]), "throughput-share")
	b.ReportMetric(median(tails["gateway"])/median(tails["nginx"]), "p99-ratio")
}

// exhaust requests as quickly as benchClients can and returns the rate and the
// 99th percentile of latency. Every request must be answered 200.
func exhaust(ctx context.Context, b *testing.B, from harness.Vantage, url string) (rate float64, p99 time.Duration) {
	transport := &http.Transport{DialContext: from.DialContext, MaxIdleConnsPerHost: benchClients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	took := make([][]time.Duration, benchClients)
	began := time.Now()
	var group sync.WaitGroup
	for i := range benchClients {
		group.Go(func() {
			for time.Since(began) < benchTurn {
				asked := time.Now()
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", nil)
				if err != nil {
					b.Error(err)
					return
				}
				answer, err := transport.RoundTrip(request)
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, answer.Body) // to the end, so that the connection is kept
				if err = errors.Join(err, answer.Body.Close()); err != nil {
					b.Error(err)
					return
				}
				if answer.StatusCode != http.StatusOK {
					b.Errorf("%s answered %d", url, answer.StatusCode)
					return
				}
				took[i] = append(took[i], time.Since(asked))
			}
		})
	}
	group.Wait()
	all := slices.Concat(took...)
	require.NotEmpty(b, all)
	slices.Sort(all)
	return float64(len(all)) / time.Since(began).Seconds(), all[len(all)*99/100]
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
