package measure

import (
	"math"

	"github.com/hadrill/hadrill/runner/record"
)

// figures prints every figure that could be measured, whether an objective
// asks for it or not. A figure that was not measured is left out, never zero.
func (a *analysis) figures() {
	for _, name := range runFigures {
		a.figure(name, "")
	}
	for _, w := range windowLengths(a.run.length()) {
		a.figure("availability.worst_window."+durationName(w), "")
	}
	for i, l := range a.log.Header.Lanes {
		if a.judged[i] && a.lanes[i].len() > 0 {
			for _, name := range laneFigures {
				a.figure(name, l.Name)
			}
			for _, p := range partNames[before:] {
				a.figure("latency.p99"+p, l.Name)
			}
		}
	}
	for _, p := range partNames {
		for _, q := range quantiles {
			a.figure("latency."+q.name+p, "")
		}
	}
	if n := a.all.len(); n > 0 && a.run.length() > 0 {
		bad := n - a.all.goodIn(0, n)
		seconds := a.run.length().Seconds()
		a.print("throughput", "ops/s", float64(a.all.answeredIn(0, n))/seconds, "", n)
		if share, perMonth, ok := budget(bad, n, a.run.length(), len(a.proofs), a.slo.Success); ok {
			a.print("budget.share", "ratio", share, "", n)
			if !math.IsInf(perMonth, 1) {
				a.print("budget.failures_per_month", "failures", perMonth, "", n)
			}
		}
	}
	if len(a.incidents) > 0 {
		a.print("marks.disorder", "incidents", float64(a.disorder), "", len(a.incidents))
	}
	a.print("lag.max", "s", a.result.Instrument.MaxLag, "", a.lag.intended+a.controlLag.intended)
	a.print("noise", "s", a.result.Instrument.WorstGap, "", 0)
}

var runFigures = []string{
	"availability.requests", "availability.time", "availability.worst_window", "brownout", "errors", "outage",
	"rto", "detect", "failover", "reconnect", "settle", "steady", "exposed",
	"lost", "rpo.ops", "rpo.seconds", "split_brain", "duplicates", "phantoms", "owner.overlap", "owner.gap", "calibration.error",
	"rto.failback", "restarts", "degraded", "surge.goodput", "surge.recovery",
	"acknowledged.p50", "acknowledged.p99", "acknowledged.p999",
}

var laneFigures = []string{"availability.requests", "availability.time", "brownout", "errors", "outage", "latency.p50", "latency.p99", "latency.p999"}

// figure measures a named figure and prints it when there is a value.
func (a *analysis) figure(name, lane string) {
	full := name
	if lane != "" {
		full += "@" + lane
	}
	if m, known := a.measure(full); known && m.ok {
		a.print(name, m.unit, m.value, lane, m.samples)
	}
}

func (a *analysis) print(name, unit string, value float64, lane string, samples int) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	a.result.Figures = append(a.result.Figures, record.Figure{Name: name, Unit: unit, Value: value, Lane: lane, Samples: samples})
}
