package reports_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
)

// fullSuite writes the folders of 60 scenarios with ten repetitions each.
func fullSuite(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for row := range 30 {
		for k, shape := range []sample.Shape{sample.Failover, sample.Twin} {
			shape.Name, shape.Row = fmt.Sprintf("row%d/scenario-%d", row, k), fmt.Sprintf("layer/row%d", row)
			if k == 1 {
				shape.TwinOf = fmt.Sprintf("row%d/scenario-0", row)
			}
			for rep := range 10 {
				shape.Rate, shape.Seconds, shape.Repeat, shape.Seed = 100, 12, rep+1, uint64(row*100+rep)
				log, res := sample.Run(shape)
				folder := filepath.Join(dir, res.Run)
				require.NoError(b, os.MkdirAll(folder, 0o755))
				require.NoError(b, reports.WriteRun(folder, log, res))
			}
		}
	}
	return dir
}

// BenchmarkFullSuite reads 600 run folders and writes their scorecard: the
// page and everything beside it but the pictures. Then a browser opens the
// page, and says itself when it could be used.
func BenchmarkFullSuite(b *testing.B) {
	dir := fullSuite(b)
	stop := make(chan struct{})
	peak := make(chan float64)
	go func() { peak <- highestMemory(stop) }()
	for b.Loop() {
		results, folders, err := reports.ReadSuite(dir)
		require.NoError(b, err)
		require.Len(b, results, 600)
		require.NoError(b, reports.Suite{Dir: dir, Results: results, Folders: folders, NoPlots: true}.Write())
	}
	close(stop)
	b.ReportMetric(<-peak/(1<<20), "peak-MiB")
	page := read(b, dir, reports.PageFile)
	b.ReportMetric(float64(len(page)), "page-bytes")
	found, _ := openFor(b, string(page), 0, `function(out){var n=performance.getEntriesByType("navigation")[0];out.ms=n.domInteractive-n.startTime}`)
	b.ReportMetric(found["ms"].(float64), "interactive-ms")
}

// highestMemory samples what the process holds of the machine's memory, in
// bytes, until stop is closed.
func highestMemory(stop <-chan struct{}) (peak float64) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for {
		metrics.Read(held)
		peak = max(peak, float64(held[0].Value.Uint64()-held[1].Value.Uint64()))
		select {
		case <-stop:
			return peak
		case <-tick.C:
		}
	}
}
