package kafka_test

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
	"github.com/hadrill/hadrill/harness/kafka"
)

// quick is a cluster whose failures are found within seconds.
var quick = kafka.Cluster{MinInSync: 2, SessionTimeout: 3 * time.Second, Heartbeat: 500 * time.Millisecond}

func start(ctx context.Context, t testing.TB, env *harness.Env, c kafka.Cluster) *kafka.Running {
	t.Helper()
	began := time.Now()
	running, err := c.Start(ctx, env)
	require.NoError(t, err)
	started := time.Since(began)
	r := running.(*kafka.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("started in %s, settled in %s", started.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return r
}

func TestASettledClusterKeepsWhatItIsToldInOrder(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east"}})
	r := start(ctx, t, env, quick)
	leader, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.Len(t, leader, 1, "one broker leads every partition")
	controller, err := kafka.Controller.Select(ctx, r)
	require.NoError(t, err)
	require.Len(t, controller, 1)
	require.NotEqual(t, leader[0], controller[0], "the first leader is not the active controller")
	follower, err := kafka.Follower.Select(ctx, r)
	require.NoError(t, err)
	require.NotContains(t, []*harness.Node{leader[0], controller[0]}, follower[0])
	for _, b := range r.Beliefs(ctx) {
		require.Equal(t, leader[0].Name(), b.Primary)
		require.Empty(t, b.Err)
	}
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{3, 3}, []int{have, want})

	east, err := env.Client("east")
	require.NoError(t, err)
	for i, from := range []harness.Vantage{env.Data(), east} {
		sets, err := r.OpenSet(ctx, from)
		require.NoError(t, err)
		set := uint64(i)
		for element := range int64(50) {
			require.NoError(t, sets.Add(ctx, set, element-25))
			require.NoError(t, sets.Add(ctx, set+3, 0), "another set in the same partition")
		}
		elements, err := sets.Elements(ctx, set)
		require.NoError(t, err)
		require.Len(t, elements, 50)
		require.True(t, slices.IsSorted(elements), "the log keeps their order")
		require.NoError(t, sets.Close())
	}

	producer, err := r.OpenQueue(ctx, east)
	require.NoError(t, err)
	consumer, err := r.OpenQueue(ctx, env.Data())
	require.NoError(t, err)
	const queue = 8
	_, found, err := consumer.Dequeue(ctx, queue)
	require.NoError(t, err)
	require.False(t, found, "what others wrote to the partition is not in the queue")
	for value := int64(1); value <= 20; value++ {
		require.NoError(t, producer.Enqueue(ctx, queue, value))
	}
	for value := int64(1); value <= 20; value++ {
		taker := []harness.QueueClient{consumer, producer}[value%2] // they share the place
		got, found, err := taker.Dequeue(ctx, queue)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, value, got)
	}
	_, found, err = consumer.Dequeue(ctx, queue)
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, producer.Close())
	require.NoError(t, consumer.Close())
}

func TestAKilledLeaderIsReplacedAndSaysSo(t *testing.T) {
	var mu sync.Mutex
	var declared, owner int64
	clock := harness.NewClock()
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{Clock: clock, OnLog: func(node string, at int64, line string) {
		m, ok := (*kafka.Running)(nil).Milestone(node, line)
		mu.Lock()
		defer mu.Unlock()
		if ok && m.Declared && declared == 0 {
			declared = at
		}
		if ok && m.Owner && owner == 0 { // nodes' logs do not come in one order
			owner = at
		}
	}})
	r := start(ctx, t, env, quick)
	sets, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer sets.Close()
	acknowledged := []int64{}
	add := func(element int64) bool {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err := sets.Add(short, 0, element)
		if err == nil {
			acknowledged = append(acknowledged, element)
		}
		return err == nil
	}
	require.True(t, add(0))
	mu.Lock()
	declared, owner = 0, 0
	mu.Unlock()

	leader, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	killed := clock.Now()
	_, err = eng.Client().ContainerKill(ctx, leader[0].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	element := int64(1)
	require.Eventually(t, func() bool { element++; return add(element) }, 20*time.Second, 10*time.Millisecond)
	firstGood := clock.Now()
	ms := func(at int64) time.Duration { return time.Duration(at - killed).Round(time.Millisecond) }
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return declared > 0 && owner > 0 }, 3*time.Second, 5*time.Millisecond)
	mu.Lock()
	t.Logf("after the kill: declared %s, new owner %s, first write %s", ms(declared), ms(owner), ms(firstGood))
	require.LessOrEqual(t, declared, owner)
	mu.Unlock()
	require.NoError(t, r.Quiesce(ctx))
	have, _, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, have)

	_, err = eng.Client().ContainerStart(ctx, leader[0].ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	back := time.Now()
	require.NoError(t, r.Settle(ctx))
	t.Logf("whole again %s after the killed node was started", time.Since(back).Round(time.Millisecond))
	successor, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.NotEqual(t, leader, successor)
	elements, err := sets.Elements(ctx, 0)
	require.NoError(t, err)
	require.Subset(t, elements, acknowledged)
	slices.Sort(elements)
	require.Len(t, slices.Compact(slices.Clone(elements)), len(elements), "nothing is there twice")
}

// BenchmarkStart measures from no node to a settled cluster.
//
//	go test ./harness/kafka -run '^$' -bench Start -benchtime 5x
func BenchmarkStart(b *testing.B) {
	ctx, eng := testenv.Engine(b)
	var times []time.Duration
	for range b.N {
		env, err := harness.NewEnv(ctx, eng, harness.Options{Run: testenv.RunID(), Dir: b.TempDir()})
		require.NoError(b, err)
		began := time.Now()
		running, err := quick.Start(ctx, env)
		require.NoError(b, err)
		r := running.(*kafka.Running)
		require.NoError(b, r.Settle(ctx))
		times = append(times, time.Since(began))
		require.NoError(b, r.Stop(ctx))
		require.NoError(b, env.Close(ctx))
	}
	slices.Sort(times)
	n := len(times)
	b.ReportMetric(times[n/2].Seconds(), "median-s")
	b.Logf("median %s, min %s, max %s, n=%d", times[n/2].Round(time.Millisecond), times[0].Round(time.Millisecond), times[n-1].Round(time.Millisecond), n)
}
