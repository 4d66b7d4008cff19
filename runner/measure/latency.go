package measure

import (
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/hadrill/hadrill/runner/record"
)

// Latencies are kept in HDR histograms from 1 us to 1 h with three significant
// digits, so every percentile is within 0.1 % (Tene, HdrHistogram). They are
// of all intended operations of a lane, whatever came of them: a request that
// waited a minute to be refused made its user wait a minute.
const (
	shortest = int64(time.Microsecond)
	longest  = int64(time.Hour)
	digits   = 3
)

// part is a part of a run, as the client's recovery divides it.
type part int

const (
	whole  part = iota
	before      // until the first fault
	during      // from any t0 to its t5
	after       // everything else
	parts
)

var partNames = [parts]string{"", ".before", ".during", ".after"}

var quantiles = []struct {
	name string
	q    float64
}{{"p50", 50}, {"p99", 99}, {"p999", 99.9}}

// latencies is one histogram a part.
type latencies [parts]*hdrhistogram.Histogram

func newLatencies() (l latencies) {
	for p := range l {
		l[p] = hdrhistogram.New(shortest, longest, digits)
	}
	return l
}

// quantile returns the q-th percentile in seconds; ok is false without samples.
func (l latencies) quantile(p part, q float64) (s float64, n int, ok bool) {
	h := l[p]
	if h == nil || h.TotalCount() == 0 {
		return 0, 0, false
	}
	return float64(h.ValueAtQuantile(q)) / 1e9, int(h.TotalCount()), true
}

// fill records every latency of the series under its part. disturbed are the
// spans from t0 to t5, in order of their beginning.
func (l latencies) fill(s *series, run span, disturbed []span) {
	k, until := 0, record.Never
	for i, at := range s.at {
		for k < len(disturbed) && disturbed[k].from <= at {
			until = max(until, disturbed[k].to)
			k++
		}
		p := before
		switch {
		case at < until:
			p = during
		case k > 0:
			p = after
		}
		_ = l[p].RecordValue(min(s.latency[i], longest)) // in range by construction
	}
	for p := before; p < parts; p++ {
		l[whole].Merge(l[p])
	}
}

// disturbed returns the spans that belong to an incident: from t0 until the
// recovery, or until the load ended without one.
func (a *analysis) disturbed() []span {
	var ds []span
	for i := range a.incidents {
		m := a.incidents[i].Marks
		if m.T0 == record.Never {
			continue
		}
		to := m.T5
		if to == record.Never {
			to = a.run.to
		}
		ds = append(ds, span{m.T0, to})
	}
	return ds
}

// acknowledges tells whether an operation is a write that its client was told
// took effect: what durability is owed to, and what a client had to wait for.
func acknowledges(op *record.Op) bool {
	if op.Outcome != record.Ok {
		return false
	}
	switch op.Function {
	case record.Write, record.CompareAndSet, record.Add, record.Enqueue, record.Transfer, record.Effect, record.Append, record.Transaction:
		return true
	}
	return false
}

// ofAcknowledged measures how long acknowledgements of writes took. Beside the
// latency of everything it says what a durability setting costs: an outage
// moves the latter, hardly the former.
func (a *analysis) ofAcknowledged(name string) (quantity, bool) {
	quantile, ok := strings.CutPrefix(name, "acknowledged.")
	if !ok {
		return quantity{}, false
	}
	for _, known := range quantiles {
		if known.name == quantile {
			n := int(a.acknowledged.TotalCount())
			return quantity{
				value: float64(a.acknowledged.ValueAtQuantile(known.q)) / 1e9, unit: "s", ok: n > 0, samples: n,
				tolerance: a.noise.Seconds(), missing: "no write was acknowledged",
			}, true
		}
	}
	return quantity{}, false
}
