package record

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writeLog writes n operations of 8 workers as a driver does and returns the path.
func writeLog(t testing.TB, n int) string {
	path := filepath.Join(t.TempDir(), "run.log")
	w, err := Create(path, testHeader())
	require.NoError(t, err)
	buffers := make([]*Buffer, 8)
	for i := range buffers {
		buffers[i] = w.Buffer()
	}
	for i := range n {
		op := setAdd(i)
		require.NoError(t, buffers[i%len(buffers)].Append(&op))
	}
	for _, b := range buffers {
		require.NoError(t, b.Close())
	}
	require.NoError(t, w.Close())
	return path
}

func TestAppendAllocatesNothing(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "run.log"), testHeader())
	require.NoError(t, err)
	b := w.Buffer()
	i := 0
	assert.Zero(t, testing.AllocsPerRun(100_000, func() {
		op := setAdd(i)
		i++
		if err := b.Append(&op); err != nil {
			t.Fatal(err)
		}
	}))
	require.NoError(t, b.Close())
	require.NoError(t, w.Close())
}

func TestOperationTakesAtMost32Bytes(t *testing.T) {
	const n = 100_000
	info, err := os.Stat(writeLog(t, n))
	require.NoError(t, err)
	each := float64(info.Size()) / n
	t.Logf("%.1f bytes an operation on disk (n=%d)", each, n)
	assert.LessOrEqual(t, each, 32.0)
}

func BenchmarkAppend(b *testing.B) {
	w, err := Create(filepath.Join(b.TempDir(), "run.log"), testHeader())
	require.NoError(b, err)
	buf := w.Buffer()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		op := setAdd(i)
		i++
		if err := buf.Append(&op); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, buf.Close())
	require.NoError(b, w.Close())
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := writeLog(b, n)
			for b.Loop() {
				began := time.Now()
				log, err := Open(path)
				require.NoError(b, err)
				require.Len(b, log.Ops, n)
				b.ReportMetric(float64(time.Since(began).Nanoseconds())/float64(n), "ns/record")
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapSys)/(1<<20), "MiB-heap")
			}
		})
	}
}
