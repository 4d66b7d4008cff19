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

func start(ctx context.Context, t testing.TB, env *harness.Env, s redis.Sentinel) *redis.Running {
	t.Helper()
	began := time.Now()
	running, err := s.Start(ctx, env)
	require.NoError(t, err)
	started := time.Since(began)
	r := running.(*redis.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("started in %s, settled in %s", started.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return r
}

func TestASettledClusterAgreesOnItsPrimary(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	r := start(ctx, t, env, redis.Sentinel{Replicas: 2, Sentinels: 3, DownAfter: 500 * time.Millisecond, MinReplicasToWrite: 1, MinReplicasMaxLag: 2 * time.Second})
	beliefs := r.Beliefs(ctx)
	require.Len(t, beliefs, 6)
	want := []harness.Role{harness.Primary, harness.Replica, harness.Replica, harness.Arbiter, harness.Arbiter, harness.Arbiter}
	for i, b := range beliefs {
		require.Equal(t, harness.Belief{Node: r.Nodes()[i].Name(), Self: want[i], Primary: "redis-1"}, b)
	}
	have, total, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{2, 2}, []int{have, total})

	primary, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.Equal(t, "redis-1", primary[0].Name())
}

func TestAHungNodeDoesNotSlowTheOthersAnswers(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	r := start(ctx, t, env, redis.Sentinel{Replicas: 1, Sentinels: 1})
	id := r.Nodes()[1].ContainerID()
	_, err := eng.Client().ContainerPause(ctx, id, client.ContainerPauseOptions{})
	require.NoError(t, err)
	for range 3 {
		began := time.Now()
		beliefs := r.Beliefs(ctx)
		require.Less(t, time.Since(began), 250*time.Millisecond)
		require.Equal(t, harness.Unknown, beliefs[1].Self)
		require.NotEmpty(t, beliefs[1].Err)
		require.Equal(t, harness.Primary, beliefs[0].Self)
		require.Equal(t, harness.Arbiter, beliefs[2].Self)
	}
	_, err = eng.Client().ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return r.Beliefs(ctx)[1].Self == harness.Replica }, 3*time.Second, 20*time.Millisecond)
}

func TestSetsAndRegistersKeepWhatTheyAreTold(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east"}})
	r := start(ctx, t, env, redis.Sentinel{Replicas: 1, Sentinels: 1})
	east, err := env.Client("east")
	require.NoError(t, err)
	for _, from := range []harness.Vantage{env.Data(), east} {
		sets, err := r.OpenSet(ctx, from)
		require.NoError(t, err)
		set := uint64(len(from.Name()))
		for i := range int64(100) {
			require.NoError(t, sets.Add(ctx, set, i-50))
		}
		elements, err := sets.Elements(ctx, set)
		require.NoError(t, err)
		slices.Sort(elements)
		require.Len(t, elements, 100)
		require.Equal(t, int64(-50), elements[0])
		require.NoError(t, sets.Close())

		registers, err := r.OpenRegisters(ctx, from)
		require.NoError(t, err)
		key := uint64(7 + len(from.Name()))
		_, found, err := registers.Read(ctx, key)
		require.NoError(t, err)
		require.False(t, found)
		require.NoError(t, registers.Write(ctx, key, 1))
		swapped, err := registers.CompareAndSet(ctx, key, 2, 3)
		require.NoError(t, err)
		require.False(t, swapped, "it held 1, not 2")
		swapped, err = registers.CompareAndSet(ctx, key, 1, 3)
		require.NoError(t, err)
		require.True(t, swapped)
		value, found, err := registers.Read(ctx, key)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, int64(3), value)
		require.NoError(t, registers.Close())
	}
}

func TestARefusedWriteIsKnownNotToHaveHappened(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	r := start(ctx, t, env, redis.Sentinel{Replicas: 1, Sentinels: 1, MinReplicasToWrite: 1, MinReplicasMaxLag: time.Second})
	sets, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer sets.Close()
	require.NoError(t, sets.Add(ctx, 1, 1))

	_, err = eng.Client().ContainerKill(ctx, r.Nodes()[1].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		err = sets.Add(ctx, 1, 2)
		return err != nil
	}, 5*time.Second, 20*time.Millisecond)
	require.ErrorContains(t, err, "NOREPLICAS")
	require.True(t, harness.IsDefinite(err))

	// A frozen primary takes the request and never answers: nobody knows.
	_, err = eng.Client().ContainerPause(ctx, r.Nodes()[0].ContainerID(), client.ContainerPauseOptions{})
	require.NoError(t, err)
	defer func() {
		_, err := eng.Client().ContainerUnpause(ctx, r.Nodes()[0].ContainerID(), client.ContainerUnpauseOptions{})
		require.NoError(t, err)
	}()
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = sets.Add(short, 1, 3)
	require.Error(t, err)
	require.Less(t, time.Since(began), 300*time.Millisecond, "the operation's own deadline holds")
	require.False(t, harness.IsDefinite(err), "%v", err)
	// The next one has to connect anew; the kernel accepts, Redis does not greet.
	err = sets.Add(ctx, 1, 4)
	require.Error(t, err)
	require.True(t, harness.IsDefinite(err), "%v", err)
}

func TestAKilledPrimaryIsReplacedAndSaysSo(t *testing.T) {
	var mu sync.Mutex
	var r *redis.Running
	var declared, owner int64
	clock := harness.NewClock()
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{Clock: clock, OnLog: func(node string, at int64, line string) {
		m, ok := (*redis.Running)(nil).Milestone(node, line)
		mu.Lock()
		defer mu.Unlock()
		if ok && m.Declared && declared == 0 {
			declared = at
		}
		if ok && m.Owner && owner == 0 {
			owner = at
		}
	}})
	r = start(ctx, t, env, redis.Sentinel{Replicas: 2, Sentinels: 3, DownAfter: 500 * time.Millisecond})
	sets, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer sets.Close()
	require.NoError(t, sets.Add(ctx, 1, 1))

	mu.Lock()
	declared, owner = 0, 0 // a sentinel that was up before the servers had its doubts
	mu.Unlock()
	killed := clock.Now()
	_, err = eng.Client().ContainerKill(ctx, r.Nodes()[0].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	var firstGood int64
	for element := int64(2); firstGood == 0 && clock.Now()-killed < int64(20*time.Second); element++ {
		if err := sets.Add(ctx, 1, element); err == nil {
			firstGood = clock.Now()
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.NotZero(t, firstGood, "no write succeeded within 20 s")
	ms := func(at int64) time.Duration { return time.Duration(at - killed).Round(time.Millisecond) }
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return declared > 0 && owner > 0 }, 2*time.Second, 5*time.Millisecond)
	mu.Lock()
	t.Logf("after the kill: declared %s, new owner %s, first write %s", ms(declared), ms(owner), ms(firstGood))
	require.Less(t, killed, declared)
	require.Less(t, declared, owner)
	mu.Unlock()

	require.Eventually(t, func() bool {
		primaries := map[string]bool{}
		for _, b := range r.Beliefs(ctx) {
			if b.Err == "" {
				primaries[b.Primary] = true
			}
		}
		return len(primaries) == 1 && !primaries["redis-1"]
	}, 10*time.Second, 20*time.Millisecond, "all survivors agree on a new primary")
	for _, b := range r.Beliefs(ctx) {
		if b.Self == harness.Arbiter {
			require.Equal(t, int64(1), b.Term, "the epoch went up by one failover")
		}
	}
	fresh, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer fresh.Close()
	elements, err := fresh.Elements(ctx, 1)
	require.NoError(t, err)
	require.Contains(t, elements, int64(1))

	// The old one comes back believing itself primary still: Sentinel gives it
	// eight seconds to learn better by itself before it makes it a replica.
	_, err = eng.Client().ContainerStart(ctx, r.Nodes()[0].ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return r.Beliefs(ctx)[0].Self == harness.Primary }, 3*time.Second, 10*time.Millisecond)
	back := time.Now()
	require.Eventually(t, func() bool {
		have, want, err := r.Redundancy(ctx)
		return err == nil && have == want && r.Beliefs(ctx)[0].Self == harness.Replica
	}, 25*time.Second, 20*time.Millisecond)
	t.Logf("the old primary was a replica in sync after %s", time.Since(back).Round(time.Millisecond))
}
