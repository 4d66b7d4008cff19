package harness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLinesAreWholeHoweverTheStreamIsCut(t *testing.T) {
	var got []string
	w := &lineWriter{sink: func(l string) { got = append(got, l) }}
	for _, piece := range []string{"on", "e\ntw", "o\r\n", "\nthr", "ee\nunfinished"} {
		n, err := w.Write([]byte(piece))
		require.NoError(t, err)
		require.Equal(t, len(piece), n)
	}
	require.Equal(t, []string{"one", "two", "", "three"}, got)
}

func TestAFollowThatBeginsAgainSkipsExactlyWhatWasSeen(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(0, n) }
	w := newWatch(&Node{})
	for _, n := range []int64{1, 2, 3, 3} { // two lines bear the last time
		w.remember(at(n), "line")
	}
	s := skipper{since: w.last, left: w.same}
	var kept []int64
	for _, n := range []int64{2, 3, 3, 3, 4} { // the engine sends what is not before the last; a third line has come
		if !s.drop(at(n)) {
			kept = append(kept, n)
		}
	}
	require.Equal(t, []int64{3, 4}, kept)
}

func TestTheEnginesTimeIsTakenOffALine(t *testing.T) {
	at, text, ok := splitTimestamp("2025-03-05T10:00:00.123456789Z 1:M * Ready to accept")
	require.True(t, ok)
	require.Equal(t, "1:M * Ready to accept", text)
	require.Equal(t, 123456789, at.Nanosecond())
	_, text, ok = splitTimestamp("2025-03-05T10:00:00Z")
	require.True(t, ok)
	require.Empty(t, text)
	_, _, ok = splitTimestamp("no time here")
	require.False(t, ok)
}

func TestTheRunsTimeOfAWallTimeIsItsDistanceFromNow(t *testing.T) {
	clock := NewClock()
	wall := time.Now()
	now := clock.Now()
	require.InDelta(t, now, clock.At(wall), float64(5*time.Millisecond))
	require.InDelta(t, now-int64(time.Hour), clock.At(wall.Add(-time.Hour)), float64(5*time.Millisecond))
}
