package redis_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/redis"
)

func threeShards() redis.Cluster {
	return redis.Cluster{Replicas: []int{1, 1, 1}, NodeTimeout: time.Second, PartialCoverage: true, Refresh: 200 * time.Millisecond}
}

func startCluster(ctx context.Context, t testing.TB, env *harness.Env, c redis.Cluster) *redis.RunningCluster {
	t.Helper()
	began := time.Now()
	running, err := c.Start(ctx, env)
	require.NoError(t, err)
	started := time.Since(began)
	r := running.(*redis.RunningCluster)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("started in %s, settled in %s", started.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return r
}

func TestAClusterServesAllItsSlots(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east"}})
	r := startCluster(ctx, t, env, threeShards())
	for i, b := range r.Beliefs(ctx) {
		want := harness.Belief{Node: r.Nodes()[i].Name(), Self: harness.Primary, Primary: r.Nodes()[i%3].Name(), Term: int64(i%3) + 1}
		if i >= 3 {
			want.Self = harness.Replica
		}
		require.Equal(t, want, b)
	}
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{3, 3}, []int{have, want})
	for shard := 1; shard <= 3; shard++ {
		primary, err := redis.PrimaryOf(shard).Select(ctx, r)
		require.NoError(t, err)
		require.Equal(t, []*harness.Node{r.Nodes()[shard-1]}, primary)
		replica, err := redis.ReplicaOf(shard).Select(ctx, r)
		require.NoError(t, err)
		require.Equal(t, []*harness.Node{r.Nodes()[shard+2]}, replica)
	}
	_, err = redis.PrimaryOf(4).Select(ctx, r)
	require.Error(t, err)

	east, err := env.Client("east")
	require.NoError(t, err)
	sets, err := r.OpenSet(ctx, east)
	require.NoError(t, err)
	defer sets.Close()
	for element := range int64(60) {
		require.NoError(t, sets.Add(ctx, uint64(element)%6, element))
	}
	for set := range uint64(6) {
		elements, err := sets.Elements(ctx, set)
		require.NoError(t, err)
		require.Len(t, elements, 10)
	}
	registers, err := r.OpenRegisters(ctx, env.Data())
	require.NoError(t, err)
	defer registers.Close()
	for key := range uint64(6) {
		_, found, err := registers.Read(ctx, key)
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, registers.Write(ctx, key, 1))
		swapped, err := registers.CompareAndSet(ctx, key, 1, 3)
		require.NoError(t, err)
		require.True(t, swapped)
		value, found, err := registers.Read(ctx, key)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, int64(3), value)
	}
}

func TestAKilledPrimaryOfAShardIsReplacedWhileTheOthersServe(t *testing.T) {
	var mu sync.Mutex
	var declared, owner int64
	clock := harness.NewClock()
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{Clock: clock, OnLog: func(node string, at int64, line string) {
		m, _ := (*redis.RunningCluster)(nil).Milestone(node, line)
		mu.Lock()
		defer mu.Unlock()
		if m.Declared && declared == 0 {
			declared = at
		}
		if m.Owner && owner == 0 {
			owner = at
		}
	}})
	r := startCluster(ctx, t, env, threeShards())
	hit, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer hit.Close()
	other, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, hit.Add(ctx, 0, 1), "set 0 lives in shard 1")
	require.NoError(t, other.Add(ctx, 1, 1), "set 1 lives in shard 2")
	time.Sleep(100 * time.Millisecond) // replication is asynchronous

	killed := clock.Now()
	_, err = eng.Client().ContainerKill(ctx, r.Nodes()[0].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	bounded := func(do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
		defer cancel()
		return do(ctx)
	}
	var firstGood int64
	for element := int64(2); firstGood == 0 && clock.Now()-killed < int64(15*time.Second); element++ {
		if bounded(func(ctx context.Context) error { return hit.Add(ctx, 0, element) }) == nil {
			firstGood = clock.Now()
		}
		require.NoError(t, bounded(func(ctx context.Context) error { return other.Add(ctx, 1, element) }), "the other shards' slots are not concerned")
		time.Sleep(10 * time.Millisecond)
	}
	require.NotZero(t, firstGood, "no write succeeded within 15 s")
	mu.Lock()
	ms := func(at int64) time.Duration { return time.Duration(at - killed).Round(time.Millisecond) }
	t.Logf("after the kill: declared %s, new owner %s, first write %s", ms(declared), ms(owner), ms(firstGood))
	require.Less(t, killed, declared)
	require.Less(t, declared, owner)
	mu.Unlock()

	primary, err := redis.PrimaryOf(1).Select(ctx, r)
	require.NoError(t, err)
	require.Equal(t, []*harness.Node{r.Nodes()[3]}, primary)
	elements, err := hit.Elements(ctx, 0)
	require.NoError(t, err)
	require.Contains(t, elements, int64(1))

	// The old primary comes back as a replica.
	_, err = eng.Client().ContainerStart(ctx, r.Nodes()[0].ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	back := time.Now()
	require.NoError(t, r.Settle(ctx))
	t.Logf("whole again %s after the restart", time.Since(back).Round(time.Millisecond))
	require.Equal(t, harness.Replica, r.Beliefs(ctx)[0].Self)
}

func TestAShardWithoutReplicaStaysDownAndFullCoverageTakesAllDown(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	c := threeShards()
	c.Replicas = []int{0, 1, 1}
	c.PartialCoverage = false
	r := startCluster(ctx, t, env, c)
	sets, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer sets.Close()
	require.NoError(t, sets.Add(ctx, 1, 1))
	_, err = eng.Client().ContainerKill(ctx, r.Nodes()[0].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		err = sets.Add(ctx, 1, 2)
		return err != nil
	}, 5*time.Second, 20*time.Millisecond)
	require.ErrorContains(t, err, "CLUSTERDOWN")
	require.True(t, harness.IsDefinite(err))
	require.Equal(t, harness.Unknown, r.Beliefs(ctx)[1].Self, "a primary for which the cluster is down serves nobody")
}

// BenchmarkClusterStart measures from no node to a settled cluster of six.
//
//	go test ./harness/redis -run '^$' -bench ClusterStart -benchtime 5x
func BenchmarkClusterStart(b *testing.B) {
	ctx, eng := testenv.Engine(b)
	var times []time.Duration
	for range b.N {
		env, err := harness.NewEnv(ctx, eng, harness.Options{Run: testenv.RunID(), Dir: b.TempDir()})
		require.NoError(b, err)
		began := time.Now()
		running, err := threeShards().Start(ctx, env)
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
