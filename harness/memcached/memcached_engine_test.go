package memcached_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/memcached"
)

func start(ctx context.Context, t testing.TB, env *harness.Env, p memcached.Pool) *memcached.Running {
	t.Helper()
	began := time.Now()
	running, err := p.Start(ctx, env)
	require.NoError(t, err)
	r := running.(*memcached.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("settled in %s", time.Since(began).Round(time.Millisecond))
	return r
}

const keys = 300

// lookUp looks every key up and fills what is missing.
func lookUp(ctx context.Context, c harness.CacheClient) (hits, misses, errs int, slowest time.Duration) {
	for key := range uint64(keys) {
		began := time.Now()
		_, found, err := c.Lookup(ctx, key)
		if err == nil && !found {
			err = c.Fill(ctx, key, int64(key)*7)
		}
		slowest = max(slowest, time.Since(began))
		switch {
		case err != nil:
			errs++
		case found:
			hits++
		default:
			misses++
		}
	}
	return hits, misses, errs, slowest
}

func TestADeadServerCostsAThirdOfTheHitsAndNoError(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{ClientZones: []string{"east"}})
	r := start(ctx, t, env, memcached.Pool{Servers: 3, EjectAfter: 1, RetryAfter: 500 * time.Millisecond})
	east, err := env.Client("east")
	require.NoError(t, err)
	c, err := r.OpenCache(ctx, east)
	require.NoError(t, err)
	defer c.Close()
	_, misses, errs, _ := lookUp(ctx, c)
	require.Equal(t, []int{keys, 0}, []int{misses, errs}, "the cache began empty")
	hits, _, errs, _ := lookUp(ctx, c)
	require.Equal(t, []int{keys, 0}, []int{hits, errs})
	value, found, err := c.Lookup(ctx, 5)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, int64(35), value)

	id := r.Nodes()[0].ContainerID()
	_, err = eng.Client().ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	hits, misses, errs, _ = lookUp(ctx, c)
	t.Logf("after the kill: %d hits, %d misses", hits, misses)
	require.Zero(t, errs)
	require.InDelta(t, keys/3, misses, keys/9)
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{2, 3}, []int{have, want})
	require.Equal(t, harness.Unknown, r.Beliefs(ctx)[0].Self)

	_, err = eng.Client().ContainerStart(ctx, id, client.ContainerStartOptions{})
	require.NoError(t, err)
	require.NoError(t, r.Settle(ctx))
	time.Sleep(600 * time.Millisecond) // RetryAfter
	_, misses, errs, _ = lookUp(ctx, c)
	require.Zero(t, errs)
	require.InDelta(t, keys/3, misses, keys/9, "it came back empty")
}

func TestAHungServerCostsOneTimeout(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	r := start(ctx, t, env, memcached.Pool{Servers: 3, EjectAfter: 1, Timeout: 100 * time.Millisecond, RetryAfter: time.Minute})
	c, err := r.OpenCache(ctx, env.Data())
	require.NoError(t, err)
	defer c.Close()
	lookUp(ctx, c)
	id := r.Nodes()[1].ContainerID()
	_, err = eng.Client().ContainerPause(ctx, id, client.ContainerPauseOptions{})
	require.NoError(t, err)
	defer func() {
		_, err := eng.Client().ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
		require.NoError(t, err)
	}()
	began := time.Now()
	_, _, errs, slowest := lookUp(ctx, c)
	require.Zero(t, errs)
	require.Greater(t, slowest, 90*time.Millisecond)
	require.Less(t, slowest, 250*time.Millisecond)
	require.Less(t, time.Since(began), 600*time.Millisecond, "one time-out in all")

	fresh, err := r.OpenCache(ctx, env.Data())
	if err == nil { // the kernel accepts for a frozen server, Memcached does not answer
		require.NoError(t, fresh.Close())
		t.Fatal("a client connected although a server hangs")
	}
}

func TestWithoutEjectionAThirdOfTheLookupsFail(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	r := start(ctx, t, env, memcached.Pool{Servers: 3, Hashing: memcached.Modulo})
	c, err := r.OpenCache(ctx, env.Data())
	require.NoError(t, err)
	defer c.Close()
	lookUp(ctx, c)
	_, err = eng.Client().ContainerKill(ctx, r.Nodes()[2].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	_, misses, errs, _ := lookUp(ctx, c)
	require.Zero(t, misses)
	require.InDelta(t, keys/3, errs, keys/9)
}

// BenchmarkStart measures from no node to three that answer.
//
//	go test ./harness/memcached -run '^$' -bench Start -benchtime 7x
func BenchmarkStart(b *testing.B) {
	ctx, eng := testenv.Engine(b)
	var times []time.Duration
	for range b.N {
		env, err := harness.NewEnv(ctx, eng, harness.Options{Run: testenv.RunID(), Dir: b.TempDir()})
		require.NoError(b, err)
		began := time.Now()
		running, err := memcached.Pool{Servers: 3}.Start(ctx, env)
		require.NoError(b, err)
		require.NoError(b, running.(harness.Settler).Settle(ctx))
		times = append(times, time.Since(began))
		require.NoError(b, running.(harness.Stopper).Stop(ctx))
		require.NoError(b, env.Close(ctx))
	}
	slices.Sort(times)
	n := len(times)
	b.ReportMetric(times[n/2].Seconds(), "median-s")
	b.Logf("median %s, min %s, max %s, n=%d", times[n/2].Round(time.Millisecond), times[0].Round(time.Millisecond), times[n-1].Round(time.Millisecond), n)
}
