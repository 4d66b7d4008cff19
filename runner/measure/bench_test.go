package measure

import (
	"testing"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// BenchmarkAnalyze is a run of one million operations with two outages.
func BenchmarkAnalyze(b *testing.B) {
	s := newStory(1000*time.Second).
		fault(100*time.Second, 200*time.Second).down(100*time.Second, 103*time.Second).
		fault(500*time.Second, 0).down(500*time.Second, 502*time.Second).
		promise(objective("rto", 5), ratioObjective("availability.worst_window.30s", 0.5))
	for range 2 {
		s.log.Header.Lanes = append(s.log.Header.Lanes, record.Lane{})
	}
	b.ReportMetric(float64(len(s.log.Ops)), "ops")
	b.ReportAllocs()
	for b.Loop() {
		s.analyze()
	}
}
