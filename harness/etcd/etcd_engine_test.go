package etcd_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/harness/internal/testenv"
)

func start(ctx context.Context, t testing.TB, env *harness.Env, c etcd.Cluster) *etcd.Running {
	t.Helper()
	began := time.Now()
	r, err := c.StartCluster(ctx, env)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("settled in %s", time.Since(began).Round(time.Millisecond))
	return r
}

func TestASettledClusterHasOneLeaderAndKeepsWhatItIsTold(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east"}})
	r := start(ctx, t, env, etcd.Cluster{Members: 3})
	beliefs := r.Beliefs(ctx)
	leader, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.Len(t, leader, 1)
	for _, b := range beliefs {
		require.Empty(t, b.Err)
		require.Equal(t, leader[0].Name(), b.Primary)
		require.Equal(t, beliefs[0].Term, b.Term)
	}
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{3, 3}, []int{have, want})

	east, err := env.Client("east")
	require.NoError(t, err)
	registers, err := r.OpenRegisters(ctx, east)
	require.NoError(t, err)
	defer registers.Close()
	_, found, err := registers.Read(ctx, 7)
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, registers.Write(ctx, 7, -1))
	swapped, err := registers.CompareAndSet(ctx, 7, 2, 3)
	require.NoError(t, err)
	require.False(t, swapped, "it held -1, not 2")
	swapped, err = registers.CompareAndSet(ctx, 7, -1, 3)
	require.NoError(t, err)
	require.True(t, swapped)
	value, found, err := registers.Read(ctx, 7)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, int64(3), value)

	one, err := r.OpenLocks(ctx, env.Data())
	require.NoError(t, err)
	other, err := r.OpenLocks(ctx, env.Data())
	require.NoError(t, err)
	defer other.Close()
	first, acquired, err := one.Acquire(ctx, 1)
	require.NoError(t, err)
	require.True(t, acquired)
	_, acquired, err = other.Acquire(ctx, 1)
	require.NoError(t, err)
	require.False(t, acquired, "another holds it")
	require.NoError(t, one.Release(ctx, 1))
	second, acquired, err := other.Acquire(ctx, 1)
	require.NoError(t, err)
	require.True(t, acquired)
	require.Greater(t, second, first, "tokens grow with every holder")
	require.True(t, harness.IsDefinite(one.Release(ctx, 1)), "it is not the first one's any more")
	require.NoError(t, one.Close())
	require.NoError(t, other.Release(ctx, 1))
}

func TestAKilledLeaderIsReplacedAndSaysSo(t *testing.T) {
	var mu sync.Mutex
	var declared, owner int64
	clock := harness.NewClock()
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{Clock: clock, OnLog: func(node string, at int64, line string) {
		m, _ := (*etcd.Running)(nil).Milestone(node, line)
		mu.Lock()
		defer mu.Unlock()
		if m.Declared && declared == 0 {
			declared = at
		}
		if m.Owner && owner == 0 {
			owner = at
		}
	}})
	r := start(ctx, t, env, etcd.Cluster{Members: 3})
	registers, err := r.OpenRegisters(ctx, env.Data())
	require.NoError(t, err)
	defer registers.Close()
	require.NoError(t, registers.Write(ctx, 1, 1))
	leader, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	mu.Lock()
	declared, owner = 0, 0 // the first election
	mu.Unlock()

	killed := clock.Now()
	_, err = eng.Client().ContainerKill(ctx, leader[0].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	var firstGood int64
	for value := int64(2); firstGood == 0 && clock.Now()-killed < int64(15*time.Second); value++ {
		attempt, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		if registers.Write(attempt, 1, value) == nil {
			firstGood = clock.Now()
		}
		cancel()
	}
	require.NotZero(t, firstGood, "no write succeeded within 15 s")
	ms := func(at int64) time.Duration { return time.Duration(at - killed).Round(time.Millisecond) }
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return declared > 0 && owner > 0 }, 2*time.Second, 5*time.Millisecond)
	mu.Lock()
	t.Logf("after the kill: declared %s, new owner %s, first write %s", ms(declared), ms(owner), ms(firstGood))
	require.Less(t, killed, declared)
	require.Less(t, declared, owner)
	mu.Unlock()
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{2, 3}, []int{have, want})
	require.NoError(t, r.Quiesce(ctx), "two of three are a majority, what they have is final")
	soon, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, r.Settle(soon), "2 of 3 members follow one leader, want 3")

	_, err = eng.Client().ContainerStart(ctx, leader[0].ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	back := time.Now()
	require.NoError(t, r.Settle(ctx))
	t.Logf("whole again %s after the restart", time.Since(back).Round(time.Millisecond))
}

func TestAFrozenMemberCostsItsClientsOneDeadline(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	r := start(ctx, t, env, etcd.Cluster{Members: 3})
	follower, err := harness.Replica.Select(ctx, r)
	require.NoError(t, err)
	var users []harness.RegisterClient
	for range 6 { // some of them at the one that freezes
		c, err := r.OpenRegisters(ctx, env.Data())
		require.NoError(t, err)
		defer c.Close()
		users = append(users, c)
	}
	_, err = eng.Client().ContainerPause(ctx, follower[0].ContainerID(), client.ContainerPauseOptions{})
	require.NoError(t, err)
	defer func() {
		_, err := eng.Client().ContainerUnpause(ctx, follower[0].ContainerID(), client.ContainerUnpauseOptions{})
		require.NoError(t, err)
	}()
	write := func(c harness.RegisterClient) error {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		return c.Write(ctx, 1, 1)
	}
	for _, c := range users {
		if err := write(c); err != nil {
			require.False(t, harness.IsDefinite(err), "it was sent, and nobody answered: %v", err)
		}
		require.NoError(t, write(c), "the next one goes elsewhere")
	}
	began := time.Now()
	require.Equal(t, harness.Unknown, r.Beliefs(ctx)[slices.Index(r.Nodes(), follower[0])].Self)
	require.Less(t, time.Since(began), 250*time.Millisecond)
}

// BenchmarkStart measures from no node to a settled cluster of three.
//
//	go test ./harness/etcd -run '^$' -bench Start -benchtime 7x
func BenchmarkStart(b *testing.B) {
	ctx, eng := testenv.Engine(b)
	var times []time.Duration
	for range b.N {
		env, err := harness.NewEnv(ctx, eng, harness.Options{Run: testenv.RunID(), Dir: b.TempDir()})
		require.NoError(b, err)
		began := time.Now()
		r, err := etcd.Cluster{Members: 3}.StartCluster(ctx, env)
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
