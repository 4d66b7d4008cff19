package load

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a correct store in memory whose gate a test can close.
type fake struct {
	mu        sync.Mutex
	sets      map[uint64][]int64
	registers map[uint64]int64
	opened    int
	closed    int

	gate func(ctx context.Context) error // nil: open
}

func newFake() *fake {
	return &fake{sets: map[uint64][]int64{}, registers: map[uint64]int64{}}
}

func (f *fake) Nodes() []*harness.Node { return nil }

func (f *fake) setGate(g func(context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate = g
}

// pass waits at the gate and returns with the lock held when it was passed.
func (f *fake) pass(ctx context.Context) error {
	f.mu.Lock()
	if g := f.gate; g != nil {
		f.mu.Unlock()
		if err := g(ctx); err != nil {
			return err
		}
		f.mu.Lock()
	}
	return nil
}

func (f *fake) open() *fakeUser {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	return &fakeUser{f: f}
}

func (f *fake) OpenSet(context.Context, harness.Vantage) (harness.SetClient, error) {
	return f.open(), nil
}

func (f *fake) OpenRegisters(context.Context, harness.Vantage) (harness.RegisterClient, error) {
	return f.open(), nil
}

type fakeUser struct {
	f    *fake
	once sync.Once
}

func (u *fakeUser) Add(ctx context.Context, set uint64, element int64) error {
	if err := u.f.pass(ctx); err != nil {
		return err
	}
	defer u.f.mu.Unlock()
	u.f.sets[set] = append(u.f.sets[set], element)
	return nil
}

func (u *fakeUser) Elements(ctx context.Context, set uint64) ([]int64, error) {
	if err := u.f.pass(ctx); err != nil {
		return nil, err
	}
	defer u.f.mu.Unlock()
	return slices.Clone(u.f.sets[set]), nil
}

func (u *fakeUser) Read(ctx context.Context, key uint64) (int64, bool, error) {
	if err := u.f.pass(ctx); err != nil {
		return 0, false, err
	}
	defer u.f.mu.Unlock()
	v, ok := u.f.registers[key]
	return v, ok, nil
}

func (u *fakeUser) Write(ctx context.Context, key uint64, value int64) error {
	if err := u.f.pass(ctx); err != nil {
		return err
	}
	defer u.f.mu.Unlock()
	u.f.registers[key] = value
	return nil
}

func (u *fakeUser) CompareAndSet(ctx context.Context, key uint64, old, new int64) (bool, error) {
	if err := u.f.pass(ctx); err != nil {
		return false, err
	}
	defer u.f.mu.Unlock()
	if v, ok := u.f.registers[key]; !ok || v != old {
		return false, nil
	}
	u.f.registers[key] = new
	return true, nil
}

func (u *fakeUser) Close() error {
	u.once.Do(func() {
		u.f.mu.Lock()
		defer u.f.mu.Unlock()
		u.f.closed++
	})
	return nil
}

// bench is a run's surroundings: a clock and a log.
type bench struct {
	t     testing.TB
	path  string
	clock harness.Clock
	w     *record.Writer
}

func newBench(t testing.TB, lanes ...record.Lane) *bench {
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "run.log"), clock: harness.NewClock()}
	w, err := record.Create(b.path, record.Header{Run: "test", Lanes: lanes})
	require.NoError(t, err)
	b.w = w
	return b
}

func (b *bench) target(r harness.Running) Target {
	return Target{Running: r, Recorder: b.w, Clock: b.clock, Seed: 1}
}

func (b *bench) now() record.Time { return record.Time(b.clock.Now()) }

// log closes the writer and reads the log back.
func (b *bench) log() *record.Log {
	require.NoError(b.t, b.w.Close())
	log, err := record.Open(b.path)
	require.NoError(b.t, err)
	require.False(b.t, log.Truncated)
	return log
}

// drive opens a load on r, runs it for d from now, reads back and closes.
func drive(t testing.TB, l Load, r harness.Running, d time.Duration) (*record.Log, Stats) {
	b := newBench(t, l.Lanes()...)
	s, err := l.Open(t.Context(), b.target(r))
	require.NoError(t, err)
	require.NoError(t, s.Run(t.Context(), b.now(), d))
	require.NoError(t, s.ReadBack(t.Context()))
	stats := s.Stats()
	require.NoError(t, s.Close())
	return b.log(), stats
}

// inLane returns the operations of one lane.
func inLane(log *record.Log, lane int) (ops []record.Op) {
	for _, op := range log.Ops {
		if int(op.Lane) == lane {
			ops = append(ops, op)
		}
	}
	return ops
}

// requireHistory checks what every history must be: each operation ended, in
// order, with a legal outcome; a process does one thing at a time and nothing
// after an unknown outcome.
func requireHistory(t testing.TB, log *record.Log) {
	t.Helper()
	byProcess := map[uint32][]record.Op{}
	for _, op := range log.Ops {
		require.NotEqual(t, record.OutcomeUnset, op.Outcome)
		require.LessOrEqual(t, op.Intended, op.Start, "nothing is sent early")
		require.LessOrEqual(t, op.Start, op.End)
		require.Equal(t, op.Outcome == record.Ok || op.Outcome == record.Degraded, op.Error == 0, "%+v", op)
		byProcess[op.Process] = append(byProcess[op.Process], op)
	}
	for p, ops := range byProcess {
		slices.SortStableFunc(ops, func(a, b record.Op) int { return int(a.Start - b.Start) })
		for i := 1; i < len(ops); i++ {
			require.LessOrEqual(t, ops[i-1].End, ops[i].Start, "process %d", p)
			require.NotEqual(t, record.Info, ops[i-1].Outcome, "process %d acts after an unknown outcome", p)
		}
	}
}

// errorsOf counts the operations by error class.
func errorsOf(log *record.Log, ops []record.Op) map[string]int {
	classes := map[string]int{}
	for _, op := range ops {
		if op.Error != 0 {
			classes[log.Errors[op.Error]]++
		}
	}
	return classes
}

// lag returns the p-th quantile of Start-Intended.
func lag(ops []record.Op, p float64) time.Duration {
	lags := make([]time.Duration, len(ops))
	for i, op := range ops {
		lags[i] = op.Start.Sub(op.Intended)
	}
	slices.Sort(lags)
	return lags[int(p*float64(len(lags)-1))]
}

var (
	_ harness.SetStore      = (*fake)(nil)
	_ harness.RegisterStore = (*fake)(nil)
)

func requireBalance(t testing.TB, s Stats) {
	t.Helper()
	assert.Equal(t, s.Intended, s.Ok+s.Degraded+s.Fail+s.Info)
}
