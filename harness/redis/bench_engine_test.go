package redis_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/redis"
)

// BenchmarkLife measures what a drill on Sentinel costs beside the drill: from
// no network to a settled cluster of six, and from there to nothing left.
//
//	go test ./harness/redis -run '^$' -bench Life -benchtime 7x
func BenchmarkLife(b *testing.B) {
	ctx, eng := testenv.Engine(b)
	var networks, started, settled, closed []time.Duration
	for range b.N {
		began := time.Now()
		env, err := harness.NewEnv(ctx, eng, harness.Options{Run: testenv.RunID(), Dir: b.TempDir(), ClientZones: []string{"load"}})
		require.NoError(b, err)
		networks = append(networks, time.Since(began))
		running, err := redis.Sentinel{Replicas: 2, Sentinels: 3, DownAfter: 500 * time.Millisecond}.Start(ctx, env)
		require.NoError(b, err)
		started = append(started, time.Since(began))
		require.NoError(b, running.(harness.Settler).Settle(ctx))
		settled = append(settled, time.Since(began))
		require.NoError(b, running.(harness.Stopper).Stop(ctx))
		ending := time.Now()
		require.NoError(b, env.Close(ctx))
		closed = append(closed, time.Since(ending))
	}
	for _, part := range []struct {
		name  string
		times []time.Duration
	}{{"networks", networks}, {"started", started}, {"settled", settled}, {"closed", closed}} {
		slices.Sort(part.times)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		n := len(part.times)
		b.ReportMetric(ms(part.times[n/2]), part.name+"-median-ms")
		b.Logf("%s: median %s, min %s, max %s, n=%d", part.name, part.times[n/2].Round(time.Millisecond), part.times[0].Round(time.Millisecond), part.times[n-1].Round(time.Millisecond), n)
	}
}
