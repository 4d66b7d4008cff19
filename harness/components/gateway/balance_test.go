package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func instancesOf(n int) []*instance {
	all := make([]*instance, n)
	for i := range all {
		all[i] = &instance{id: fmt.Sprintf("service-%d", i+1)}
	}
	return all
}

// shares chooses n times and counts, letting settle be called for each choice.
func shares(b balancer, among []*instance, n int, chosen func(*instance)) map[string]int {
	count := map[string]int{}
	for k := range n {
		i := b(among, mix(uint64(k)))
		count[i.id]++
		if chosen != nil {
			chosen(i)
		}
	}
	return count
}

func TestEveryChoiceIsEvenAmongEquals(t *testing.T) {
	for _, name := range []string{RoundRobin, LeastLoaded, TwoChoices, ConsistentHash} {
		t.Run(name, func(t *testing.T) {
			got := shares(newBalancer(name), instancesOf(3), 3000, nil)
			require.Len(t, got, 3)
			for id, n := range got {
				assert.InDelta(t, 1000, n, 200, id)
			}
		})
	}
}

func TestEveryChoiceTakesTheOnlyOne(t *testing.T) {
	for _, name := range []string{RoundRobin, LeastLoaded, TwoChoices, ConsistentHash} {
		one := instancesOf(1)
		assert.Same(t, one[0], newBalancer(name)(one, 7), name)
	}
}

func TestTheSlowAreAvoided(t *testing.T) {
	slow := func() []*instance {
		all := instancesOf(3)
		for k, i := range all {
			i.latency.observe(time.Now(), time.Millisecond)
			if k == 0 {
				i.latency.observe(time.Now(), time.Second)
				i.underway.Store(1)
			}
		}
		return all
	}
	for name, most := range map[string]int{RoundRobin: 334, LeastLoaded: 0, TwoChoices: 0} {
		assert.LessOrEqual(t, shares(newBalancer(name), slow(), 1000, nil)["service-1"], most, name)
	}
	assert.Greater(t, shares(newBalancer(RoundRobin), slow(), 1000, nil)["service-1"], 332, "each in its turn, however slow")
}

func TestAKeyStaysWhereItIsUntilItsInstanceLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "instances")
		all := instancesOf(n)
		gone := rapid.IntRange(0, n-1).Draw(t, "gone")
		left := append(append([]*instance{}, all[:gone]...), all[gone+1:]...)
		key := hash(rapid.String().Draw(t, "key"))
		before, after := highestHash(all, key), highestHash(left, key)
		if before != all[gone] && before != after {
			t.Fatalf("moved from %s to %s when %s left", before.id, after.id, all[gone].id)
		}
		// Every gateway must choose the same, in whatever order it knows them.
		reversed := make([]*instance, n)
		for i, one := range all {
			reversed[n-1-i] = one
		}
		if highestHash(reversed, key) != before {
			t.Fatalf("the order decides")
		}
	})
}

func TestLatencyRisesAtOnceAndFallsSlowly(t *testing.T) {
	var p peak
	now := time.Now()
	p.observe(now, 10*time.Millisecond)
	p.observe(now, time.Second)
	assert.Equal(t, 1.0, p.at(now))
	p.observe(now, 10*time.Millisecond)
	assert.InDelta(t, 1, p.at(now), 0.01, "one quick answer proves little")
	assert.InDelta(t, 0.37, p.at(now.Add(memory)), 0.01)
	assert.Equal(t, floor, p.at(now.Add(time.Minute)), "the slowest is tried again in the end")
}

func TestTheSilentAreAvoidedBeforeTheirFirstTimeout(t *testing.T) {
	all := instancesOf(2)
	now := time.Now()
	for _, i := range all {
		i.latency.observe(now, 2*time.Millisecond)
	}
	all[0].begin(now.Add(-50 * time.Millisecond))
	assert.Less(t, all[1].cost(now), all[0].cost(now)/10)
	assert.LessOrEqual(t, shares(twoChoices, all, 100, nil)["service-1"], 0)
}
