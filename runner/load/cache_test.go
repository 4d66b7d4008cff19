package load

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// cacheSystem is a cache in memory; forget makes it lose keys, broken fail.
type cacheSystem struct {
	mu     sync.Mutex
	values map[uint64]int64
	forget func(key uint64) bool
	broken func(key uint64) bool
	lie    bool
}

func (s *cacheSystem) Nodes() []*harness.Node { return nil }

func (s *cacheSystem) OpenCache(context.Context, harness.Vantage) (harness.CacheClient, error) {
	return s, nil
}

func (s *cacheSystem) Lookup(_ context.Context, key uint64) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil && s.broken(key) {
		return 0, false, errors.New("server is dead")
	}
	v, ok := s.values[key]
	if s.lie {
		v++
	}
	return v, ok, nil
}

func (s *cacheSystem) Fill(_ context.Context, key uint64, value int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forget == nil || !s.forget(key) {
		s.values[key] = value
	}
	return nil
}

func (s *cacheSystem) Close() error { return nil }

func byOutcome(log *record.Log, lane int) map[record.Outcome]int {
	counts := map[record.Outcome]int{}
	for _, op := range inLane(log, lane) {
		counts[op.Outcome]++
	}
	return counts
}

func TestAWarmCacheMissesNothing(t *testing.T) {
	s := &cacheSystem{values: map[uint64]int64{}}
	log, _ := drive(t, Cache{Rate: 500, Keys: 50}, s, time.Second)
	assert.Equal(t, []string{"cache", "cache/hits"}, []string{log.Header.Lanes[0].Name, log.Header.Lanes[1].Name})
	assert.Equal(t, []bool{false, true}, []bool{log.Header.Lanes[0].Aside, log.Header.Lanes[1].Aside}, "a miss is no outage")
	assert.Equal(t, map[record.Outcome]int{record.Ok: 500}, byOutcome(log, 0))
	assert.Equal(t, map[record.Outcome]int{record.Ok: 500}, byOutcome(log, 1))
	assert.Len(t, s.values, 50)
}

func TestAMissIsAnsweredByTheOriginAndCountedInTheLaneOfHits(t *testing.T) {
	s := &cacheSystem{values: map[uint64]int64{}, forget: func(key uint64) bool { return key%2 == 0 }}
	log, _ := drive(t, Cache{Rate: 500, Keys: 50}, s, time.Second)
	all, hits := byOutcome(log, 0), byOutcome(log, 1)
	require.Equal(t, 500, all[record.Ok]+all[record.Degraded], "no error: %v", all)
	assert.InDelta(t, 250, all[record.Degraded], 60)
	require.Equal(t, 500, hits[record.Ok]+hits[record.Fail])
	assert.InDelta(t, 250, hits[record.Fail], 60)
	for _, op := range inLane(log, 0) {
		require.Equal(t, origin(op.Key), op.Value)
	}
}

func TestAnErrorOfTheCacheAndAWrongValueAreErrors(t *testing.T) {
	broken := &cacheSystem{values: map[uint64]int64{}, broken: func(key uint64) bool { return key%2 == 0 }}
	log, _ := drive(t, Cache{Rate: 500, Keys: 50}, broken, 500*time.Millisecond)
	assert.InDelta(t, 125, byOutcome(log, 0)[record.Fail], 45)
	liar := &cacheSystem{values: map[uint64]int64{}, lie: true}
	log, _ = drive(t, Cache{Rate: 500, Keys: 50}, liar, 500*time.Millisecond)
	assert.Equal(t, map[record.Outcome]int{record.Fail: 250}, byOutcome(log, 0))
}
