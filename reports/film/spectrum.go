package film

import (
	"slices"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// Percentiles are the quantiles of a Spectrum.
var Percentiles = []float64{.5, .75, .9, .95, .99, .995, .999, .9995, .9999}

// Spectrum is the latency of the judged lanes in one part of the run, at
// Percentiles, in microseconds, as Latency counts it.
type Spectrum struct {
	Name    string  `json:"name"` // "before", "during", "after"
	Samples int     `json:"samples"`
	Micros  []int32 `json:"us"`
}

// spectra splits the film at t0 and at the first incident's t5 (or its end,
// when it never came).
func (f *Film) spectra(log *record.Log, res *record.Result) {
	split := [2]record.Time{f.To(), f.To()}
	if f.HasT0 {
		split[0] = f.Zero
		for _, in := range res.Incidents {
			if !in.Failback && in.Marks.T5 != record.Never {
				split[1] = in.Marks.T5
				break
			}
		}
	}
	var parts [3][]int32
	for i := range log.Ops {
		op := &log.Ops[i]
		if int(op.Lane) >= len(log.Header.Lanes) || op.Outcome == record.Fail || op.Intended < f.From || op.Intended >= f.To() {
			continue
		}
		if l := &log.Header.Lanes[op.Lane]; l.Control || l.Evidence {
			continue
		}
		n := 0
		for n < 2 && op.Intended >= split[n] {
			n++
		}
		parts[n] = append(parts[n], int32(min(max(op.End.Sub(op.Intended)/time.Microsecond, 0), 1<<30)))
	}
	for i, name := range []string{"before", "during", "after"} {
		us := parts[i]
		if len(us) == 0 {
			continue
		}
		slices.Sort(us)
		s := Spectrum{Name: name, Samples: len(us)}
		for _, q := range Percentiles {
			s.Micros = append(s.Micros, us[min(len(us)-1, int(q*float64(len(us))))])
		}
		f.Spectra = append(f.Spectra, s)
	}
}
