package check

import (
	"context"
	"flag"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

var operations = flag.Int("operations", 1_000_000, "operations a benchmark checks")

// stream is a queue history too large to be worth keeping: its operations are
// made when asked for. Half are enqueues of ten producers to a hundred queues,
// half the dequeues of the same messages, delayed by a few and unordered
// between producers.
type stream struct{ n int }

func (s stream) op(i int) record.Op {
	m := i / 2 // the message
	at := record.Time(i) * 1000
	o := record.Op{Start: at, Intended: at, End: at + 900, Key: uint64(m % 100), Value: int64(m) + 1, Outcome: record.Ok,
		Function: record.Enqueue, Process: uint32(m / 100 % 10)}
	if i%2 == 1 {
		o.Function, o.Process, o.Start, o.End = record.Dequeue, 100+uint32(m%20), at+5000, at+5900
	}
	return o
}

// BenchmarkDurabilityAndOrder balances the books and checks the order of one
// history, without the log in memory.
//
//	go test -bench DurabilityAndOrder -benchtime 1x -operations 10000000
func BenchmarkDurabilityAndOrder(b *testing.B) {
	h := &record.Header{Lanes: []record.Lane{{}, {Definitive: true}}}
	s := stream{*operations}
	for range b.N {
		stop := make(chan struct{})
		peak := watch(stop)
		begun := time.Now()

		books := newBooks(h, s.op, 1)
		books.reserve(s.n/2, s.n/2)
		for i := range s.n {
			o := s.op(i)
			books.Add(i, &o)
		}
		for k := range uint64(100) {
			books.Add(s.n, &record.Op{Start: 1 << 60, Key: k, Value: record.Absent, Function: record.Dequeue, Lane: 1, Outcome: record.Ok})
		}
		ledger, err := books.ledger(context.Background(), record.Never)
		require.NoError(b, err)
		require.True(b, ledger.Definitive)
		require.Equal(b, s.n/2, ledger.Present)
		require.Zero(b, ledger.Lost+ledger.Duplicates+ledger.Phantoms)
		books = nil
		debug.FreeOSMemory()

		order := newOrderBook(h, s.op, 1)
		order.reserve(s.n/2, s.n/2)
		for i := range s.n {
			o := s.op(i)
			order.Add(i, &o)
		}
		r := Report{Check: Ordered}
		require.NoError(b, order.close(context.Background(), &r))
		require.Equal(b, s.n/2, r.Checked)
		require.Zero(b, r.Total)

		took := time.Since(begun)
		close(stop)
		b.ReportMetric(float64(s.n)/took.Seconds(), "op/s")
		b.ReportMetric(float64(<-peak)/(1<<20), "peak-MiB")
	}
}

// registers makes a linearizable history over keys, ten operations at a time.
func registers(n, keys int) *record.Log {
	r := rand.New(rand.NewPCG(1, 2))
	log := &record.Log{Ops: make([]record.Op, n)}
	held := make([]int64, keys)
	for k := range held {
		held[k] = record.Absent
	}
	for i := range log.Ops {
		at, key := record.Time(i)*1000, r.IntN(keys)
		o := &log.Ops[i]
		*o = record.Op{Start: at - record.Time(r.IntN(5000)), End: at + record.Time(r.IntN(5000)), Process: uint32(i % 10), Key: uint64(key), Outcome: record.Ok, Function: record.Read, Value: held[key]}
		if r.IntN(2) == 0 {
			o.Function, o.Value = record.Write, int64(i)
			if r.IntN(100) == 0 {
				o.Outcome = record.Info
			}
			held[key] = o.Value
		}
	}
	return log
}

// BenchmarkLinearizable decides a million register operations over ten
// thousand keys and, as the hardest case, over one.
func BenchmarkLinearizable(b *testing.B) {
	for name, keys := range map[string]int{"keys=10000": 10_000, "keys=1": 1} {
		b.Run(name, func(b *testing.B) {
			log := registers(*operations, keys)
			runtime.GC()
			for range b.N {
				begun := time.Now()
				c, err := Lookup(LinearizableRegister)
				require.NoError(b, err)
				r, err := Run(context.Background(), c, log, Budget{})
				require.NoError(b, err)
				require.Zero(b, r.Total, "%+v", r.Findings)
				require.Equal(b, *operations, r.Checked)
				b.ReportMetric(float64(*operations)/time.Since(begun).Seconds(), "op/s")
			}
		})
	}
}

// watch reports the most memory that the process held.
func watch(stop chan struct{}) chan uint64 {
	out := make(chan uint64, 1)
	go func() {
		var peak uint64
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				out <- peak
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapSys-m.HeapReleased)
			}
		}
	}()
	return out
}
