package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testHeader() Header {
	return Header{
		Schema:    SchemaVersion,
		Run:       "r1",
		WallStart: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Scenario:  Scenario{Name: "redis-sentinel/primary-kill", SLO: SLO{Latency: time.Second, Success: 0.99}},
		Lanes:     []Lane{{Name: "sets", Protocol: "set", Connection: "pooled", Rate: 500}},
		Seed:      math.MaxUint64,
		Images:    map[string]string{"redis": "hadrill.local/redis@sha256:0"},
	}
}

// setAdd is operation n of a typical open-loop load: 500 a second over 16 sets.
func setAdd(n int) Op {
	at := Time(n) * 2e6
	return Op{Intended: at, Start: at + 83_000 + Time(n%7)*9_001, End: at + 610_000 + Time(n%11)*31_003,
		Value: int64(n), Key: uint64(n % 16), Process: uint32(n % 8), Function: Add, Outcome: Ok}
}

func TestLogReadsBackWhatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.log")
	w, err := Create(path, Header{Run: "r1"})
	require.NoError(t, err)
	refused, reset := w.ErrorClass("refused"), w.ErrorClass("reset")
	assert.Equal(t, refused, w.ErrorClass("refused"), "a class has one number")
	assert.Zero(t, w.ErrorClass(""))

	ops := []Op{
		{Intended: 30, Start: 31, End: 40, Key: 7, Value: Absent, Process: 3, Function: Read, Outcome: Ok},
		{Intended: 10, Start: 12, End: 11, Key: math.MaxUint64, Value: math.MaxInt64, Expect: math.MinInt64, Process: math.MaxUint32, Lane: 255, Error: refused, Function: CompareAndSet, Outcome: Fail},
		{Intended: 20, Start: 21, End: 25, Function: ReadSet, Outcome: Ok, Values: []int64{}},
		{Intended: 20, Start: 21, End: 25, Process: 1, Function: ReadSet, Outcome: Ok, Values: []int64{5, -5, math.MinInt64, math.MaxInt64}},
		{Intended: Never, Start: Never, End: 5, Error: reset, Function: Request, Outcome: Info},
		{Intended: 50, Start: 50, End: 51, Function: Transaction, Outcome: Ok, Micro: []Micro{{Append, 9, 1, nil}, {ReadList, 9, 0, []int64{1}}, {ReadList, 8, 0, []int64{}}}},
	}
	one, two := w.Buffer(), w.Buffer()
	for i := range ops {
		require.NoError(t, []*Buffer{one, two}[i%2].Append(&ops[i]))
	}
	require.NoError(t, w.Event(Event{At: 20, Kind: EventPhase, Name: PhaseFault}))
	require.NoError(t, w.Event(Event{At: 10, Kind: EventFault, Name: StepEffective, Bracket: &Bracket{Before: 9, After: 10}}))
	h := testHeader()
	require.NoError(t, w.Amend(func(old *Header) { *old = h }))
	require.NoError(t, w.SetLanes(append(h.Lanes, Lane{Name: "control", Control: true})))
	require.NoError(t, one.Close())
	require.NoError(t, one.Close(), "a second Close does nothing")
	require.NoError(t, two.Close())
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	assert.ErrorIs(t, w.Event(Event{}), os.ErrClosed)

	log, err := Open(path)
	require.NoError(t, err)
	assert.False(t, log.Truncated)
	h.Lanes = append(h.Lanes, Lane{Name: "control", Control: true})
	assert.Equal(t, h, log.Header)
	assert.Equal(t, []string{"", "refused", "reset"}, log.Errors)
	assert.Equal(t, []Time{10, 20}, []Time{log.Events[0].At, log.Events[1].At})
	assert.Equal(t, &Bracket{Before: 9, After: 10}, log.Events[0].Bracket)
	assert.Equal(t, []Op{ops[4], ops[1], ops[2], ops[3], ops[0], ops[5]}, log.Ops)
}

func TestEncodingIsTheIdentity(t *testing.T) {
	functions := rapid.Uint8Range(0, 15)
	values := rapid.Custom(func(t *rapid.T) []int64 {
		if rapid.Bool().Draw(t, "nil") {
			return nil
		}
		return append([]int64{}, rapid.SliceOf(rapid.Int64()).Draw(t, "values")...)
	})
	micro := rapid.Custom(func(t *rapid.T) Micro {
		return Micro{Function(functions.Draw(t, "f")), rapid.Uint64().Draw(t, "k"), rapid.Int64().Draw(t, "v"), values.Draw(t, "vs")}
	})
	op := rapid.Custom(func(t *rapid.T) Op {
		o := Op{
			Intended: Time(rapid.Int64().Draw(t, "intended")), Start: Time(rapid.Int64().Draw(t, "start")), End: Time(rapid.Int64().Draw(t, "end")),
			Value: rapid.OneOf(rapid.Int64(), rapid.Just(Absent), rapid.Just(int64(0))).Draw(t, "value"), Expect: rapid.Int64().Draw(t, "expect"),
			Key: rapid.Uint64().Draw(t, "key"), Process: rapid.Uint32().Draw(t, "process"), Error: uint16(rapid.IntRange(0, 1).Draw(t, "error")),
			Lane: rapid.Uint8().Draw(t, "lane"), Function: Function(functions.Draw(t, "function")), Outcome: Outcome(rapid.IntRange(0, int(Degraded)).Draw(t, "outcome")),
			Values: values.Draw(t, "list"),
		}
		if rapid.Bool().Draw(t, "txn") {
			o.Micro = append([]Micro{}, rapid.SliceOfN(micro, 0, 4).Draw(t, "micro")...)
		}
		return o
	})
	rapid.Check(t, func(t *rapid.T) {
		ops := rapid.SliceOf(op).Draw(t, "ops")
		m := &memory{}
		w, err := newWriter("m", m, testHeader())
		require.NoError(t, err)
		w.ErrorClass("x")
		b := w.Buffer()
		for i := range ops {
			require.NoError(t, b.Append(&ops[i]))
			if rapid.IntRange(0, 9).Draw(t, "flush") == 0 {
				require.NoError(t, b.Flush())
			}
		}
		require.NoError(t, b.Close())
		require.NoError(t, w.Close())
		log, err := decode(bytes.NewReader(m.Bytes()), int64(m.Len()))
		require.NoError(t, err)
		require.False(t, log.Truncated)
		slices.SortStableFunc(ops, func(a, b Op) int { return compareOps(&a, &b) })
		require.Len(t, log.Ops, len(ops))
		for i := range ops {
			require.Equal(t, ops[i], log.Ops[i])
		}
	})
}

// smallLog writes a few blocks of each kind and returns their bytes.
func smallLog(t testing.TB) []byte {
	m := &memory{}
	w, err := newWriter("m", m, testHeader())
	require.NoError(t, err)
	b := w.Buffer()
	for i := range 40 {
		op := setAdd(i)
		if i%9 == 0 {
			op.Outcome, op.Error = Fail, w.ErrorClass(fmt.Sprintf("class %d", i%2))
		}
		require.NoError(t, b.Append(&op))
		if i%10 == 9 {
			require.NoError(t, b.Flush())
			require.NoError(t, w.Event(Event{At: Time(i), Kind: EventNote, Text: "ten more"}))
		}
	}
	require.NoError(t, b.Close())
	require.NoError(t, w.Close())
	return m.Bytes()
}

func TestTruncatedAtAnyByteIsReadToTheLastWholeBlock(t *testing.T) {
	whole := smallLog(t)
	full, err := decode(bytes.NewReader(whole), int64(len(whole)))
	require.NoError(t, err)
	require.False(t, full.Truncated)
	require.Len(t, full.Ops, 40)
	last, readable := -1, false
	for n := range len(whole) {
		log, err := decode(bytes.NewReader(whole[:n]), int64(n))
		if err != nil {
			require.False(t, readable, "byte %d: once the header is whole, every prefix is readable: %v", n, err)
			continue
		}
		readable = true
		require.True(t, log.Truncated, "byte %d", n)
		require.Zero(t, len(log.Ops)%10, "byte %d: whole blocks only", n)
		require.GreaterOrEqual(t, len(log.Ops), last, "byte %d: a longer prefix never holds less", n)
		require.Equal(t, full.Ops[:len(log.Ops)], log.Ops)
		last = len(log.Ops)
	}
	assert.Equal(t, 40, last)
}

func TestFlippedByteIsNeverBelieved(t *testing.T) {
	whole := smallLog(t)
	full, err := decode(bytes.NewReader(whole), int64(len(whole)))
	require.NoError(t, err)
	for i := range whole {
		bad := slices.Clone(whole)
		bad[i] ^= 0x40
		log, err := decode(bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			continue
		}
		require.True(t, log.Truncated, "byte %d", i)
		require.Equal(t, full.Ops[:len(log.Ops)], log.Ops, "byte %d", i)
	}
}

func TestWrongFilesAreRefused(t *testing.T) {
	newer := slices.Clone(smallLog(t))
	newer[8]++
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":         {nil, "not a hadrill event log"},
		"other":         {[]byte("<html>hello</html>"), "not a hadrill event log"},
		"newer version": {newer, "schema version 2, this hadrill reads version 1"},
		"no header":     {preamble(), "ends before its header"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "run.log")
			require.NoError(t, os.WriteFile(path, c.content, 0o600))
			_, err := Open(path)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, path)
		})
	}
	_, err := Open(filepath.Join(t.TempDir(), "absent.log"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestWholeBlocksThatCannotBeAreCorrupt(t *testing.T) {
	ops := func(count byte, payload ...byte) []byte {
		b := append(make([]byte, frameLen), count, 0, 0, 0)
		b = append(b, payload...)
		seal(blockOps, b)
		return b
	}
	text := func(kind byte, s string) []byte {
		b := append(make([]byte, frameLen), s...)
		seal(kind, b)
		return b
	}
	for name, block := range map[string][]byte{
		"unknown type":         text('X', "{}"),
		"bad JSON":             text(blockEvent, "{"),
		"class above limit":    text(blockErrorClass, `{"id":65000}`),
		"trailer counts":       text(blockTrailer, `{"ops":1}`),
		"count without ops":    ops(3, 1, 1, 1),
		"bytes after the last": ops(1, 1, 0, 0, 0, 0),
		"unknown flags":        ops(1, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0),
		"illegal outcome":      ops(1, 7, 0, 0, 0),
		"class never written":  ops(1, 1|0x80, 1, 0, 0, 0, 1),
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			_, err := newWriter("m", m, testHeader())
			require.NoError(t, err)
			m.Write(block)
			_, err = decode(bytes.NewReader(m.Bytes()), int64(m.Len()))
			assert.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

func TestErrorClassesAreBounded(t *testing.T) {
	m := &memory{}
	w, err := newWriter("m", m, testHeader())
	require.NoError(t, err)
	var other uint16
	for i := range 2 * MaxErrorClasses {
		other = w.ErrorClass(fmt.Sprint("class ", i))
	}
	assert.Equal(t, other, w.ErrorClass("one more"))
	long := w.ErrorClass(strings.Repeat("x", 10_000))
	assert.Equal(t, other, long)
	require.NoError(t, w.Close())
	log, err := decode(bytes.NewReader(m.Bytes()), int64(m.Len()))
	require.NoError(t, err)
	assert.Len(t, log.Errors, MaxErrorClasses)
	assert.Equal(t, "other", log.Errors[other])
}

func TestWritersMayBeConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.log")
	w, err := Create(path, testHeader())
	require.NoError(t, err)
	const workers, each = 8, 2000
	var all sync.WaitGroup
	for p := range workers {
		all.Go(func() {
			b := w.Buffer()
			for i := range each {
				op := setAdd(i)
				op.Process, op.Error = uint32(p), w.ErrorClass(fmt.Sprint(i%3))
				assert.NoError(t, b.Append(&op))
				if i%500 == 0 {
					assert.NoError(t, b.Flush())
					assert.NoError(t, w.Event(Event{At: Time(i), Kind: EventNote}))
				}
			}
			assert.NoError(t, b.Close())
		})
	}
	all.Wait()
	require.NoError(t, w.Close())
	log, err := Open(path)
	require.NoError(t, err)
	assert.False(t, log.Truncated)
	assert.Len(t, log.Ops, workers*each)
	assert.Len(t, log.Events, workers*each/500)
	assert.True(t, slices.IsSortedFunc(log.Ops, func(a, b Op) int {
		return cmp.Or(cmp.Compare(a.Intended, b.Intended), cmp.Compare(a.Process, b.Process))
	}))
}

func TestOpenBufferLeavesNoTrailer(t *testing.T) {
	m := &memory{}
	w, err := newWriter("m", m, testHeader())
	require.NoError(t, err)
	b := w.Buffer()
	op := setAdd(1)
	require.NoError(t, b.Append(&op))
	assert.ErrorContains(t, w.Close(), "1 buffers are still open")
	log, err := decode(bytes.NewReader(m.Bytes()), int64(m.Len()))
	require.NoError(t, err)
	assert.True(t, log.Truncated)
}

func TestIllegalOutcomeIsRefused(t *testing.T) {
	w, err := newWriter("m", &memory{}, testHeader())
	require.NoError(t, err)
	assert.Error(t, w.Buffer().Append(&Op{Outcome: Degraded + 1}))
}

// A full disk is one clear error, and what was recorded stays readable.
func TestFullDisk(t *testing.T) {
	for _, room := range []int{1500, 1501, 1600, 2000, 2500} {
		m := &memory{room: room}
		w, err := newWriter("/runs/1/run.log", m, testHeader())
		require.NoError(t, err)
		b := w.Buffer()
		var failed error
		written := 0
		for i := 0; failed == nil && i < 10_000; i++ {
			op := setAdd(i)
			require.NoError(t, b.Append(&op))
			if failed = b.Flush(); failed == nil {
				written++
			}
		}
		require.ErrorIs(t, failed, syscall.ENOSPC)
		for _, part := range []string{"/runs/1/run.log", fmt.Sprintf("first %d operations", written), "free space", "no space left"} {
			assert.ErrorContains(t, failed, part)
		}
		assert.Equal(t, failed, w.Event(Event{}), "the error is sticky: no later block may follow a lost one")
		assert.Equal(t, failed, w.Err())
		require.NoError(t, b.Close())
		assert.ErrorIs(t, w.Close(), syscall.ENOSPC)
		log, err := decode(bytes.NewReader(m.Bytes()), int64(m.Len()))
		require.NoError(t, err)
		assert.True(t, log.Truncated)
		assert.Len(t, log.Ops, written)
	}
}

func TestFullDevice(t *testing.T) {
	_, err := Create("/dev/full", testHeader())
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.ErrorContains(t, err, "/dev/full")
}

// memory is a file in memory that holds at most room bytes when room is not 0
// and, as a disk does, accepts a part of the write that no longer fits.
type memory struct {
	bytes.Buffer
	room int
}

func (m *memory) Write(b []byte) (int, error) {
	if m.room == 0 || m.Len()+len(b) <= m.room {
		return m.Buffer.Write(b)
	}
	n, _ := m.Buffer.Write(b[:max(0, m.room-m.Len())])
	return n, syscall.ENOSPC
}

func (m *memory) Truncate(n int64) error {
	if n > int64(m.Len()) {
		return errors.New("truncate cannot grow")
	}
	m.Buffer.Truncate(int(n))
	return nil
}
func (m *memory) Sync() error  { return nil }
func (m *memory) Close() error { return nil }

var _ io.Writer = (*memory)(nil)

func FuzzOpen(f *testing.F) {
	whole := smallLog(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(preamble())
	// A fuzzer cannot guess checksums: the raw payload is tried as each kind too.
	f.Fuzz(func(t *testing.T, b []byte) {
		if log, err := decode(bytes.NewReader(b), int64(len(b))); err == nil {
			_, err := json.Marshal(log.Header)
			require.NoError(t, err)
		}
		for _, kind := range []byte{blockOps, blockEvent, blockErrorClass, blockTrailer, blockHeader} {
			m := &memory{}
			_, err := newWriter("m", m, Header{})
			require.NoError(t, err)
			block := append(make([]byte, frameLen), b...)
			seal(kind, block)
			m.Write(block)
			if log, err := decode(bytes.NewReader(m.Bytes()), int64(m.Len())); err == nil {
				require.LessOrEqual(t, len(log.Ops), len(b)/smallestOp+1)
			} else {
				require.ErrorIs(t, err, ErrCorrupt)
			}
		}
	})
}
