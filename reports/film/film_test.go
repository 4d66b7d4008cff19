package film_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/reports/internal/sample"
	"github.com/hadrill/hadrill/runner/record"
)

func TestAFilmCountsEveryOperationOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "operations")
		log := &record.Log{Header: record.Header{Lanes: []record.Lane{{Name: "a", Rate: 10}, {Name: "c", Control: true}, {Name: "e", Evidence: true}}}}
		at, bad, total := record.Time(0), 0, 0
		for range n {
			at += record.Time(rapid.Int64Range(0, 1e8).Draw(t, "gap"))
			op := record.Op{Intended: at, End: at + record.Time(rapid.Int64Range(0, 5e8).Draw(t, "latency")),
				Lane: uint8(rapid.IntRange(0, 2).Draw(t, "lane")), Outcome: record.Outcome(rapid.IntRange(1, 4).Draw(t, "outcome"))}
			log.Ops = append(log.Ops, op)
			if op.Lane == 0 {
				total++
				good := (op.Outcome == record.Ok || op.Outcome == record.Degraded) && op.End.Sub(op.Intended) <= 100*time.Millisecond
				if !good {
					bad++
				}
			}
		}
		res := &record.Result{Scenario: record.Scenario{SLO: record.SLO{Latency: 100 * time.Millisecond}}}
		f := film.Make(log, res, film.Window{Bins: rapid.IntRange(1, 500).Draw(t, "bins")})
		if !f.Valid() {
			t.Fatal("a made film is valid")
		}
		sawBad, sawAll := 0, 0
		for _, l := range f.Lanes {
			if l.Name == "a" {
				for i := range l.Good {
					sawBad += int(l.Bad(i))
					sawAll += int(l.Total(i))
				}
			}
		}
		if sawBad != bad || sawAll != total {
			t.Fatalf("%d of %d bad, drawn %d of %d", bad, total, sawBad, sawAll)
		}
	})
}

func TestDownSamplingKeepsTheExtremes(t *testing.T) {
	log, res := sample.Run(sample.Failover)
	slow := &log.Ops[len(log.Ops)/4]
	slow.End = slow.Intended.Add(7 * time.Second)
	f := film.Make(log, res, film.Window{Bins: 20})
	worst := int32(0)
	for _, us := range f.Latency.Max {
		worst = max(worst, us)
	}
	assert.Equal(t, int32(7_000_000), worst)
}

func TestWhatTheFilmTells(t *testing.T) {
	log, res := sample.Run(sample.Failover)
	f := film.Make(log, res, film.Window{})
	assert.True(t, f.HasT0)
	assert.Equal(t, res.Incidents[0].Marks.T0, f.Zero)
	require.Len(t, f.Bands, 1)
	assert.Equal(t, "kill", f.Bands[0].Name)
	assert.True(t, f.Bands[0].Proven)
	assert.Equal(t, record.Never, f.Bands[0].End.After)
	require.Len(t, f.Nodes, 3)
	assert.Equal(t, []string{"primary", "down"}, []string{f.Nodes[0].Spans[0].Role, f.Nodes[0].Spans[1].Role})
	assert.Empty(t, f.Overlaps, "the dead node believes nothing")
	assert.Equal(t, []string{"before", "during", "after"}, []string{f.Spectra[0].Name, f.Spectra[1].Name, f.Spectra[2].Name})
	assert.Greater(t, f.Spectra[1].Micros[4], f.Spectra[0].Micros[4], "p99 is worse during the fault")
}

func TestTwoBelieversAtOnceAreSeen(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	var kept []record.Event
	for _, e := range log.Events {
		if e.Kind != record.EventNode { // r1 does not die: it goes on believing
			kept = append(kept, e)
		}
	}
	log.Events = kept
	f := film.Make(log, res, film.Window{})
	require.Len(t, f.Overlaps, 1)
	assert.Equal(t, f.To(), f.Overlaps[0].To)
}

func TestAnUnprovenFaultIsSaidToBeUnproven(t *testing.T) {
	log, res := sample.Run(sample.Doubtful)
	assert.False(t, film.Make(log, res, film.Window{}).Bands[0].Proven)
}

func TestAFilmWithoutALogIsEmptyAndValid(t *testing.T) {
	f := film.Make(nil, &record.Result{}, film.Window{})
	assert.Zero(t, f.Bins)
	assert.True(t, f.Valid())
}

func TestABrokenFilmFileIsNoticed(t *testing.T) {
	log, res := sample.Run(sample.Failover)
	for name, breakIt := range map[string]func(*film.Film){
		"short latency": func(f *film.Film) { f.Latency.P99 = f.Latency.P99[1:] },
		"short lane":    func(f *film.Film) { f.Lanes[1].Failed = nil },
		"no step":       func(f *film.Film) { f.Step = 0 },
		"huge":          func(f *film.Film) { f.Bins = 1 << 30 },
		"spectrum":      func(f *film.Film) { f.Spectra[0].Micros = nil },
	} {
		f := film.Make(log, res, film.Window{})
		require.True(t, f.Valid())
		breakIt(f)
		assert.False(t, f.Valid(), name)
	}
}

func BenchmarkMakeOneMillionOperations(b *testing.B) {
	log, res := sample.Run(sample.Shape{Name: "big", Rate: 16000, Seconds: 52, Fault: "kill", At: 10, Outage: 2, Seed: 1})
	b.Logf("%d operations", len(log.Ops))
	b.ReportAllocs()
	for b.Loop() {
		film.Make(log, res, film.Window{})
	}
}
