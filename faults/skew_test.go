package faults

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

// ahead asks a node for the time and tells how far ahead of ours it is.
func (s *stage) ahead(t *testing.T, i int) time.Duration {
	answer, err := ask(s.env.Data(), s.nodes[i], "time")
	require.NoError(t, err)
	ns, err := strconv.ParseInt(answer, 10, 64)
	require.NoError(t, err)
	return time.Duration(ns - time.Now().UnixNano())
}

// What a busy machine may put between a reading and its comparison; every
// effect below is at least twice as large.
const clockTolerance = float64(150 * time.Millisecond)

func TestClockFaultsAreSeenByTheNodeAlone(t *testing.T) {
	s := newStage(t, 2)
	i := s.do(t, ClockJump(first, -time.Hour))
	assert.InDelta(t, -time.Hour, s.ahead(t, 0), clockTolerance)
	assert.InDelta(t, 0, s.ahead(t, 1), clockTolerance, "the neighbour's clock is right")
	_, err := ClockJump(first, time.Minute).Inject(context.Background(), s.Field)
	require.ErrorContains(t, err, "another fault")
	s.undo(t, i)
	assert.InDelta(t, 0, s.ahead(t, 0), clockTolerance)

	i = s.do(t, ClockFreeze(first))
	before := s.ahead(t, 0)
	time.Sleep(300 * time.Millisecond)
	assert.InDelta(t, 300*time.Millisecond, before-s.ahead(t, 0), clockTolerance)
	s.undo(t, i)

	i = s.do(t, ClockDrift(first, 1e6))
	before = s.ahead(t, 0)
	time.Sleep(300 * time.Millisecond)
	assert.InDelta(t, 300*time.Millisecond, s.ahead(t, 0)-before, clockTolerance, "twice as fast")
	s.undo(t, i)

	i = s.do(t, ClockStrobe(first, time.Minute, 50*time.Millisecond))
	seen := map[bool]bool{}
	for range 100 {
		seen[s.ahead(t, 0) > 30*time.Second] = true
		time.Sleep(2 * time.Millisecond)
	}
	assert.Len(t, seen, 2, "now and then right, now and then wrong")
	s.undo(t, i)
}

func TestMovedClockIsMovedAgainAfterARestart(t *testing.T) {
	s := newStage(t, 1)
	i := s.do(t, ClockJump(first, time.Hour))
	restart := s.do(t, Restart(first))
	require.Eventually(t, func() bool { return ping(s.env.Data(), s.nodes[0]) == nil }, 10*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return s.ahead(t, 0) > 59*time.Minute }, 5*time.Second, 20*time.Millisecond)
	require.NoError(t, restart.Heal(context.Background()))
	s.undo(t, i)
	assert.InDelta(t, 0, s.ahead(t, 0), clockTolerance)
}

// The system's own word: a server written in C, threads and all.
func TestRedisSeesItsClockJump(t *testing.T) {
	s := newStage(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	started, err := s.env.Start(ctx, harness.NodeSpec{
		Name: "redis", Component: "redis", Command: []string{"redis-server", "--save", "", "--protected-mode", "no"},
		Ready: func(ctx context.Context, n *harness.Node) error {
			_, err := redisTime(ctx, s.env.Data(), n)
			return err
		},
	})
	require.NoError(t, err)
	s.System = &cluster{append(s.nodes, started...)}
	ahead := func() time.Duration {
		at, err := redisTime(ctx, s.env.Data(), started[0])
		require.NoError(t, err)
		return time.Until(at)
	}
	i := s.do(t, ClockJump(harness.Named("redis"), 90*time.Minute))
	assert.InDelta(t, 90*time.Minute, ahead(), clockTolerance)
	s.undo(t, i)
	assert.InDelta(t, 0, ahead(), clockTolerance)
}

// redisTime asks TIME: seconds and microseconds as two bulk strings.
func redisTime(ctx context.Context, from harness.Vantage, n *harness.Node) (time.Time, error) {
	conn, err := from.DialContext(ctx, "tcp", net.JoinHostPort(n.Addr().String(), "6379"))
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprint(conn, "TIME\r\n"); err != nil {
		return time.Time{}, err
	}
	var lengths [3]string
	var seconds, micros int64
	_, err = fmt.Fscan(conn, &lengths[0], &lengths[1], &seconds, &lengths[2], &micros)
	return time.Unix(seconds, micros*1000), err
}
