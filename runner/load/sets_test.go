package load

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

func TestSetsWriteACheckableHistory(t *testing.T) {
	f := newFake()
	l := Sets{Rate: 1000, Sets: 4, Zones: []string{"a", "b"}}
	log, stats := drive(t, l, f, time.Second)
	requireHistory(t, log)
	requireBalance(t, stats)
	assert.Equal(t, Stats{Intended: 1000, Ok: 1000}, stats)
	assert.Len(t, inLane(log, 0), 500)
	assert.Len(t, inLane(log, 1), 500)

	written := map[int64]uint64{}
	for _, op := range append(inLane(log, 0), inLane(log, 1)...) {
		assert.Equal(t, record.Add, op.Function)
		assert.NotContains(t, written, op.Value, "elements are unique over zones")
		written[op.Value] = op.Key
	}
	reads := inLane(log, 2)
	require.Len(t, reads, 4)
	for _, read := range reads {
		assert.Equal(t, record.ReadSet, read.Function)
		assert.Equal(t, record.Ok, read.Outcome)
		for _, v := range read.Values {
			assert.Equal(t, read.Key, written[v])
			delete(written, v)
		}
	}
	assert.Empty(t, written, "what was acknowledged was read back")
	assert.Equal(t, f.opened, f.closed)
	assert.True(t, log.Header.Lanes[2].Definitive && log.Header.Lanes[2].Evidence)
	assert.Equal(t, "b", log.Header.Lanes[1].Zone)
}

func TestSequenceGoesOnInTheNextRun(t *testing.T) {
	b := newBench(t)
	s, err := Sets{Rate: 1000}.Open(t.Context(), b.target(newFake()))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, s.Run(t.Context(), b.now(), 50*time.Millisecond))
	}
	require.NoError(t, s.Close())
	seen := map[int64]bool{}
	for _, op := range b.log().Ops {
		seen[op.Value] = true
	}
	assert.Len(t, seen, 150)
}

func TestOutcomes(t *testing.T) {
	refused := errors.New("READONLY You can't write against a read only replica.")
	for name, c := range map[string]struct {
		gate    func(context.Context) error
		outcome record.Outcome
		class   string
	}{
		"definite": {func(context.Context) error { return harness.Definite(refused) }, record.Fail, refused.Error()},
		"unknown":  {func(context.Context) error { return refused }, record.Info, refused.Error()},
		"timeout":  {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, record.Info, "timeout"},
		"panic":    {func(context.Context) error { panic("nil client") }, record.Info, "panic in client: nil client"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.setGate(c.gate)
			b := newBench(t)
			s, err := Sets{Rate: 100, Clients: 10, Timeout: 200 * time.Millisecond}.Open(t.Context(), b.target(f))
			require.NoError(t, err)
			require.NoError(t, s.Run(t.Context(), b.now(), 100*time.Millisecond))
			require.NoError(t, s.Close())
			log := b.log()
			requireHistory(t, log)
			require.Len(t, log.Ops, 10)
			for _, op := range log.Ops {
				assert.Equal(t, c.outcome, op.Outcome)
			}
			assert.Equal(t, map[string]int{c.class: 10}, errorsOf(log, log.Ops))
			if name == "panic" {
				require.Len(t, log.Events, 10)
				assert.Equal(t, record.EventError, log.Events[0].Kind)
			}
		})
	}
}

// A stall of 300 ms must cost every operation that was due in it. A closed
// loop would show one slow operation a user.
func TestStallIsSeenByEveryIntendedOperation(t *testing.T) {
	const stall, d, rate = 300 * time.Millisecond, time.Second, 1000
	f := newFake()
	b := newBench(t)
	s, err := Sets{Rate: rate, Clients: 8, Timeout: time.Second}.Open(t.Context(), b.target(f))
	require.NoError(t, err)
	from := b.now().Add(400 * time.Millisecond)
	f.setGate(func(ctx context.Context) error {
		if now := b.now(); now >= from && now < from.Add(stall) {
			time.Sleep(from.Add(stall).Sub(now))
		}
		return nil
	})
	require.NoError(t, s.Run(t.Context(), b.now(), d))
	require.NoError(t, s.Close())
	log := b.log()
	requireHistory(t, log)
	require.Len(t, log.Ops, int(rate*d.Seconds()), "the rate is never lowered")
	slow := 0
	for _, op := range log.Ops {
		assert.Equal(t, record.Ok, op.Outcome)
		if op.End.Sub(op.Intended) > 20*time.Millisecond {
			slow++
		}
	}
	want := (stall - 20*time.Millisecond).Seconds() * rate
	assert.GreaterOrEqual(t, float64(slow), 0.9*want, "operations that were due during the stall")
}

func TestOperationsWithoutAFreeUserAreRecordedAsNotSent(t *testing.T) {
	f := newFake()
	f.setGate(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	b := newBench(t)
	s, err := Sets{Rate: 1000, Clients: 4, Timeout: 50 * time.Millisecond}.Open(t.Context(), b.target(f))
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, s.Run(t.Context(), b.now(), 500*time.Millisecond))
	assert.Less(t, time.Since(began), 800*time.Millisecond)
	stats := s.Stats()
	requireBalance(t, stats)
	require.NoError(t, s.Close())
	log := b.log()
	requireHistory(t, log)
	require.Len(t, log.Ops, 500)
	classes := errorsOf(log, log.Ops)
	assert.Equal(t, 500, classes["timeout"]+classes[NotSent])
	assert.InDelta(t, 44, classes["timeout"], 8, "4 users, 50 ms each, for 550 ms")
}

func TestCancelledRunEndsAtOnce(t *testing.T) {
	f := newFake()
	f.setGate(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	for name, timeout := range map[string]time.Duration{"users are stuck": time.Minute, "users are idle": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s, err := Sets{Rate: 100, Timeout: timeout}.Open(t.Context(), b.target(f))
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			require.NoError(t, s.Run(ctx, b.now(), time.Hour))
			assert.Less(t, time.Since(began), 500*time.Millisecond)
			require.NoError(t, s.Close())
			log := b.log()
			requireHistory(t, log)
			assert.InDelta(t, 20, len(log.Ops), 2, "what was due is in the history")
		})
	}
}

func TestClientsThatIgnoreTheirDeadlineAreNamed(t *testing.T) {
	f, release := newFake(), make(chan struct{})
	f.setGate(func(context.Context) error { <-release; return nil })
	b := newBench(t)
	s, err := Sets{Rate: 100, Clients: 3, Timeout: 10 * time.Millisecond}.Open(t.Context(), b.target(f))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = s.Run(ctx, b.now(), time.Hour)
	require.ErrorContains(t, err, "3 of 3 clients ignored their deadline")
	require.NoError(t, s.Close())
	close(release)
	log := b.log()
	assert.Equal(t, 3, errorsOf(log, log.Ops)[string(errIgnored)])
	for _, op := range log.Ops {
		if log.Errors[op.Error] == string(errIgnored) {
			assert.Equal(t, record.Info, op.Outcome)
		}
	}
}

func TestReadBackRetriesUntilItIsComplete(t *testing.T) {
	f := newFake()
	b := newBench(t)
	s, err := Sets{Rate: 1000, Sets: 3}.Open(t.Context(), b.target(f))
	require.NoError(t, err)
	require.NoError(t, s.Run(t.Context(), b.now(), 30*time.Millisecond))
	failures := 2
	f.setGate(func(context.Context) error {
		if failures--; failures >= 0 {
			return errors.New("LOADING")
		}
		return nil
	})
	require.NoError(t, s.ReadBack(t.Context()))
	f.setGate(func(context.Context) error { return errors.New("still down") })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, s.ReadBack(ctx), "0 of 3 operations answered: key 0: still down")
	require.NoError(t, s.Close())
	log := b.log()
	requireHistory(t, log)
	reads := inLane(log, 1)
	ok := 0
	for _, r := range reads {
		if r.Outcome == record.Ok {
			ok++
		}
	}
	assert.Equal(t, 3, ok)
	assert.Equal(t, 2, errorsOf(log, reads)["LOADING"])
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	for _, c := range []struct {
		l    Load
		want string
	}{{Sets{}, "harness.SetStore"}, {Registers{}, "harness.RegisterStore"}, {HTTP{}, "harness.HTTPServer"}} {
		b := newBench(t)
		_, err := c.l.Open(t.Context(), b.target(bare{}))
		assert.ErrorContains(t, err, c.want)
		b.log()
	}
}

type bare struct{}

func (bare) Nodes() []*harness.Node { return nil }

func TestFailedOpenClosesWhatItOpened(t *testing.T) {
	f := newFake()
	b := newBench(t)
	target := b.target(&halfOpen{fake: f})
	_, err := Sets{Clients: 8}.Open(t.Context(), target)
	require.ErrorContains(t, err, "open client: no more connections")
	assert.Equal(t, f.opened, f.closed)
	b.log()
}

// halfOpen opens five users and no more.
type halfOpen struct{ *fake }

func (h *halfOpen) OpenSet(ctx context.Context, v harness.Vantage) (harness.SetClient, error) {
	c := h.open()
	if h.mu.Lock(); h.opened > 5 {
		h.opened--
		h.mu.Unlock()
		return nil, errors.New("no more connections")
	}
	h.mu.Unlock()
	return c, nil
}

func TestDescribeIsCanonical(t *testing.T) {
	assert.Equal(t, "sets constant(500/s) clients=64 timeout=250ms sets=16", Sets{}.Describe())
	assert.Equal(t, Sets{Rate: 500, Sets: 16}.Describe(), Sets{}.Describe())
	assert.Equal(t, "registers constant(100/s) clients=25 timeout=250ms keys=7 writes=0.5 cas=1/10 zones=a,b",
		Registers{Rate: 100, Keys: 7, CompareAndSet: 0.1, Zones: []string{"a", "b"}}.Describe())
	assert.Equal(t, "http constant(1000/s) clients=500 timeout=1s GET / connections=pooled,fresh", HTTP{Rate: 1000}.Describe())
	both := Combine(Sets{}, Combine(HTTP{}, Registers{}))
	assert.Len(t, strings.Split(both.Describe(), " + "), 3)
	assert.Equal(t, 3, leaves(both))
}

func TestFullDiskEndsTheRun(t *testing.T) {
	b := newBench(t)
	s, err := Sets{Rate: 1000}.Open(t.Context(), b.target(newFake()))
	require.NoError(t, err)
	require.Error(t, b.w.Close(), "buffers are open")
	began := time.Now()
	assert.ErrorContains(t, s.Run(t.Context(), b.now(), time.Hour), "file already closed")
	assert.Less(t, time.Since(began), time.Second)
	assert.Error(t, s.Close())
}
