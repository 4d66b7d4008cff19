package lockset_test

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/lockset"
)

// pauseTheHolder freezes the holder in the middle of a change until another
// has taken over and changed the set, and returns what is in the set once the
// thawed holder has come to.
func pauseTheHolder(t *testing.T, fencing bool) (acknowledged, final []int64) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	began := time.Now()
	// The work is long, so that the freeze falls into it.
	running, err := lockset.System{Workers: 2, Work: 500 * time.Millisecond, Fencing: fencing, Etcd: etcd.Cluster{Members: 3}}.Start(ctx, env)
	require.NoError(t, err)
	r := running.(*lockset.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("settled in %s", time.Since(began).Round(time.Millisecond))
	sets, err := r.OpenSet(ctx, env.Data())
	require.NoError(t, err)
	defer sets.Close()
	add := func(element int64, within time.Duration) error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		err := sets.Add(ctx, 1, element)
		if err == nil {
			acknowledged = append(acknowledged, element)
		}
		return err
	}
	require.NoError(t, add(1, 5*time.Second))
	holder, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.Len(t, holder, 1)
	leader, err := lockset.StoreLeader.Select(ctx, r)
	require.NoError(t, err)
	require.Len(t, leader, 1)
	require.Contains(t, leader[0].Name(), "etcd-")

	frozen := make(chan error, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		_, err := eng.Client().ContainerPause(ctx, holder[0].ContainerID(), client.ContainerPauseOptions{})
		frozen <- err
	}()
	err = add(2, time.Second)
	require.Error(t, err)
	require.False(t, harness.IsDefinite(err), "nobody knows what becomes of it")
	require.NoError(t, <-frozen)
	require.NoError(t, add(3, 10*time.Second), "another holds the lock once the lease has run out")
	require.NoError(t, add(4, 5*time.Second))
	_, err = eng.Client().ContainerUnpause(ctx, holder[0].ContainerID(), client.ContainerUnpauseOptions{})
	require.NoError(t, err)
	time.Sleep(time.Second) // the thawed holder does what it was about to do
	require.NoError(t, r.Settle(ctx))
	now, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.NotEqual(t, holder, now)
	final, err = sets.Elements(ctx, 1)
	require.NoError(t, err)
	t.Logf("acknowledged %v, in the end %v", acknowledged, final)
	return acknowledged, final
}

func TestAFencedHolderCannotUndoItsSuccessorsWork(t *testing.T) {
	acknowledged, final := pauseTheHolder(t, true)
	require.Equal(t, acknowledged, final)
}

func TestWithoutFencingAThawedHolderOverwritesItsSuccessorsWork(t *testing.T) {
	_, final := pauseTheHolder(t, false)
	require.Equal(t, []int64{1, 2}, final, "3 and 4 were acknowledged and are gone")
}
