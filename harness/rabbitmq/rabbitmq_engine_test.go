package rabbitmq_test

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
	"github.com/hadrill/hadrill/harness/rabbitmq"
)

func start(ctx context.Context, t testing.TB, env *harness.Env, c rabbitmq.Cluster) *rabbitmq.Running {
	t.Helper()
	began := time.Now()
	r, err := c.StartCluster(ctx, env)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("settled in %s", time.Since(began).Round(time.Millisecond))
	return r
}

// drain takes until a queue has been found empty several times in turn.
func drain(ctx context.Context, t testing.TB, c harness.QueueClient, queue uint64) (values []int64) {
	t.Helper()
	for empty := 0; empty < 3; {
		value, found, err := c.Dequeue(ctx, queue)
		require.NoError(t, err)
		if empty++; found {
			values, empty = append(values, value), 0
		}
	}
	return values
}

// One cluster for all that can be shown on one: it takes long to start.
func TestAQueueSurvivesItsLeader(t *testing.T) {
	var mu sync.Mutex
	var declared, owner int64
	clock := harness.NewClock()
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{Clock: clock, ClientZones: []string{"east"}, OnLog: func(node string, at int64, line string) {
		m, _ := (*rabbitmq.Running)(nil).Milestone(node, line)
		mu.Lock()
		defer mu.Unlock()
		if m.Declared && declared == 0 {
			declared = at
		}
		if m.Owner && owner == 0 {
			owner = at
		}
	}})
	r := start(ctx, t, env, rabbitmq.Cluster{Nodes: 3, Queues: 2})

	beliefs := r.Beliefs(ctx)
	for _, b := range beliefs {
		require.Empty(t, b.Err)
		require.Equal(t, "rabbit-1", b.Primary, "the first node leads what was declared at it")
	}
	leader, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.Len(t, leader, 1)
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{3, 3}, []int{have, want})

	east, err := env.Client("east")
	require.NoError(t, err)
	producer, err := r.OpenQueue(ctx, east)
	require.NoError(t, err)
	defer producer.Close()
	consumer, err := r.OpenQueue(ctx, env.Data())
	require.NoError(t, err)
	defer consumer.Close()
	for value := range int64(10) {
		require.NoError(t, producer.Enqueue(ctx, 1, value))
		require.NoError(t, producer.Enqueue(ctx, 77, -value), "a queue that was not declared is made")
	}
	var taken []int64
	require.Eventually(t, func() bool {
		value, found, err := consumer.Dequeue(ctx, 1)
		require.NoError(t, err)
		if found {
			taken = append(taken, value)
		}
		return len(taken) == 3
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, []int64{0, 1, 2}, taken)

	mu.Lock()
	declared, owner = 0, 0 // the first election
	mu.Unlock()
	killed := clock.Now()
	_, err = eng.Client().ContainerKill(ctx, leader[0].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	var firstGood, next int64
	for next = 10; firstGood == 0 && clock.Now()-killed < int64(15*time.Second); next++ {
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		if producer.Enqueue(attempt, 1, next) == nil {
			firstGood = clock.Now()
		}
		cancel()
	}
	require.NotZero(t, firstGood, "no message was confirmed within 15 s")
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return declared > 0 && owner > 0 }, 5*time.Second, 5*time.Millisecond)
	ms := func(at int64) time.Duration { return time.Duration(at - killed).Round(time.Millisecond) }
	mu.Lock()
	t.Logf("after the kill: declared %s, new owner %s, first confirm %s", ms(declared), ms(owner), ms(firstGood))
	require.Less(t, killed, declared)
	mu.Unlock()
	have, _, err = r.Redundancy(ctx)
	require.NoError(t, err)
	require.LessOrEqual(t, have, 2)

	_, err = eng.Client().ContainerStart(ctx, leader[0].ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	back := time.Now()
	require.NoError(t, r.Quiesce(ctx), "what the consumer was sent ahead is given back")
	require.NoError(t, r.Settle(ctx))
	t.Logf("whole again %s after the restart", time.Since(back).Round(time.Millisecond))

	reader, err := r.OpenQueue(ctx, env.Data())
	require.NoError(t, err)
	defer reader.Close()
	left := drain(ctx, t, reader, 1)
	for value := int64(3); value < 10; value++ {
		require.Contains(t, left, value, "confirmed, and taken by nobody")
	}
	require.Contains(t, left, next-1)
	require.Len(t, drain(ctx, t, reader, 77), 10)
}

// BenchmarkStart measures from no node to a settled cluster of three.
//
//	go test ./harness/rabbitmq -run '^$' -bench Start -benchtime 5x
func BenchmarkStart(b *testing.B) {
	ctx, eng := testenv.Engine(b)
	var times []time.Duration
	for range b.N {
		env, err := harness.NewEnv(ctx, eng, harness.Options{Run: testenv.RunID(), Dir: b.TempDir()})
		require.NoError(b, err)
		began := time.Now()
		r, err := rabbitmq.Cluster{Nodes: 3}.StartCluster(ctx, env)
		require.NoError(b, err)
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
