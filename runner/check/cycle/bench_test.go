package cycle

import (
	"context"
	"flag"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

var transactions = flag.Int("transactions", 500_000, "transactions a benchmark of append lists checks")

// serial simulates a strict serializable store, one transaction at a time:
// four steps over twenty live keys, a key retired after 64 appends, ten
// transactions under way at any time. The lists it hands out share memory, as
// those of a log that was read from disk need not; the analysis is measured,
// not the log.
type serial struct {
	n      int
	seed   uint64
	lists  [20][]int64
	keys   [20]uint64
	next   uint64
	micros [4]record.Micro
}

func (s *serial) random(n uint64) uint64 {
	s.seed ^= s.seed << 13
	s.seed ^= s.seed >> 7
	s.seed ^= s.seed << 17
	return s.seed % n
}

func (s *serial) op() record.Op {
	if s.n == 0 {
		s.seed = 88172645463325252
		for i := range s.keys {
			s.retire(i)
		}
	}
	s.n++
	at := record.Time(s.n) * 1000
	o := record.Op{Start: at - record.Time(s.random(5000)), End: at + record.Time(s.random(5000)), Process: uint32(s.n % 10),
		Function: record.Transaction, Outcome: record.Ok, Micro: s.micros[:2+s.random(3)]}
	for i := range o.Micro {
		k := int(s.random(20))
		if s.random(2) == 0 {
			v := int64(len(s.lists[k]) + 1)
			s.lists[k] = append(s.lists[k], v)
			o.Micro[i] = record.Micro{Function: record.Append, Key: s.keys[k], Value: v}
			continue
		}
		o.Micro[i] = record.Micro{Function: record.ReadList, Key: s.keys[k], Values: s.lists[k][:len(s.lists[k]):len(s.lists[k])]}
	}
	for i := range s.lists {
		if len(s.lists[i]) >= 64 {
			s.retire(i)
		}
	}
	return o
}

func (s *serial) retire(i int) {
	s.next++
	s.keys[i], s.lists[i] = s.next, make([]int64, 0, 72)
}

// BenchmarkAppendLists reports transactions a second and the peak of the heap
// while the whole of strict serializability is checked.
//
//	go test -bench AppendLists -benchtime 1x -transactions 5000000
func BenchmarkAppendLists(b *testing.B) {
	for range b.N {
		stop := make(chan struct{})
		peak := watch(stop)
		var s serial
		h := NewHistory(1, nil)
		begun := time.Now()
		for i := range *transactions {
			o := s.op()
			h.Add(i, &o)
		}
		added := time.Since(begun)
		res, err := h.Check(context.Background(), Options{Process: true, Realtime: true})
		took := time.Since(begun)
		require.NoError(b, err)
		require.Empty(b, res.Anomalies)
		require.Equal(b, *transactions, res.Transactions)
		close(stop)
		b.ReportMetric(float64(*transactions)/took.Seconds(), "txn/s")
		b.ReportMetric(added.Seconds(), "s-intake")
		b.ReportMetric(float64(<-peak)/(1<<20), "peak-MiB")
	}
}

// watch reports the largest size the process took from the system.
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
