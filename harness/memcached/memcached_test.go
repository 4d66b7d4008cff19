package memcached

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const keys = 6000

// places maps every key to its server.
func places(t *testing.T, s *selector) (at [keys]int, share [3]float64) {
	t.Helper()
	for key := range at {
		i, err := s.pick(keyText(uint64(key)))
		require.NoError(t, err)
		at[key] = i
		share[i] += 1.0 / keys
	}
	return at, share
}

func selectorOf(p Pool) (*selector, *time.Time) {
	now := time.Unix(1000, 0)
	s := newSelector(p.filled(), []place{{"memcached-1", "10.213.0.11:11211"}, {"memcached-2", "10.213.0.12:11211"}, {"memcached-3", "10.213.0.13:11211"}})
	s.now = func() time.Time { return now }
	return s, &now
}

func moved(before, after [keys]int) float64 {
	n := 0
	for key := range before {
		if before[key] != after[key] {
			n++
		}
	}
	return float64(n) / keys
}

func TestTheRingMovesOnlyTheKeysOfTheServerThatIsLeftOut(t *testing.T) {
	s, now := selectorOf(Pool{Servers: 3, EjectAfter: 1})
	before, share := places(t, s)
	for i := range share {
		require.InDelta(t, 1.0/3, share[i], 0.05, "server %d has about a third of the keys", i)
	}
	require.True(t, s.failed(0))
	after, _ := places(t, s)
	for key := range before {
		require.NotEqual(t, 0, after[key])
		if before[key] != 0 {
			require.Equal(t, before[key], after[key])
		}
	}
	require.InDelta(t, share[0], moved(before, after), 1e-9)
	*now = now.Add(defaultRetryAfter)
	back, _ := places(t, s)
	require.Equal(t, before, back, "after RetryAfter it has its keys back")
}

func TestModuloMovesMostKeys(t *testing.T) {
	s, _ := selectorOf(Pool{Servers: 3, Hashing: Modulo, EjectAfter: 1})
	before, _ := places(t, s)
	s.failed(0)
	after, _ := places(t, s)
	require.InDelta(t, 2.0/3, moved(before, after), 0.03)
}

func TestAServerIsLeftOutAfterSoManyFailuresInARow(t *testing.T) {
	s, now := selectorOf(Pool{Servers: 3, EjectAfter: 3})
	require.False(t, s.failed(1))
	require.False(t, s.failed(1))
	s.answered(1)
	require.False(t, s.failed(1), "the row was broken")
	require.False(t, s.failed(1))
	require.True(t, s.failed(1))
	*now = now.Add(defaultRetryAfter)
	require.True(t, s.failed(1), "given one more chance, it is left out by one failure")

	never, _ := selectorOf(Pool{Servers: 3})
	for range 100 {
		require.False(t, never.failed(1))
	}
}

func TestWithEveryServerOutTheClientSaysSo(t *testing.T) {
	for _, hashing := range []Hashing{Consistent, Modulo} {
		s, _ := selectorOf(Pool{Servers: 3, Hashing: hashing, EjectAfter: 1})
		for i := range 3 {
			s.failed(i)
		}
		_, err := s.PickServer("key")
		require.ErrorIs(t, err, errAllOut)
	}
}

func TestTheCommandSaysEverything(t *testing.T) {
	require.Equal(t, "[memcached -u nobody -l 0.0.0.0 -p 11211 -U 0 -t 2 -m 16]", fmt.Sprint(Pool{Servers: 3, MemoryMB: 16}.command()))
	require.NotContains(t, Pool{Servers: 3}.command(), "-m")
	require.Equal(t, []string{"a", "b", "a"}, []string{Pool{Zones: []string{"a", "b"}}.zone(0), Pool{Zones: []string{"a", "b"}}.zone(1), Pool{Zones: []string{"a", "b"}}.zone(2)})
}

func TestADeclarationThatCannotBeMeantIsRefused(t *testing.T) {
	for name, p := range map[string]Pool{
		"one server": {Servers: 1},
		"hashing":    {Servers: 3, Hashing: "random"},
		"ejection":   {Servers: 3, EjectAfter: -1},
		"time":       {Servers: 3, Timeout: -1},
	} {
		require.Error(t, p.check(), name)
	}
	require.NoError(t, Pool{Servers: 3}.check())
}
