package measure

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// class says which doubts about a run touch a figure.
type class int

const (
	timing      class = iota // depends on when things happened: noise, proof
	durability               // depends on what was kept: proof
	consistency              // a witness proves it, whatever the noise
)

// quantity is a measured figure with what its verdict depends on.
type quantity struct {
	value     float64
	unit      string
	ok        bool // something was measured
	censored  bool // the true value is beyond value
	samples   int
	class     class
	tolerance float64  // how far the noise may have moved the value
	floor     bool     // a limit below the resolution claims too much
	missing   string   // why nothing was measured
	doubt     string   // why no verdict better than inconclusive is possible
	most      *float64 // what value could have become at worst; nil: no such bound
	stands    bool     // noise only worsens it, so a pass stands in any noise
}

// measure returns the figure of that name: the grammar of objectives.
//
//	name[@lane]   availability.requests
//	              availability.time[.D]            slice length, default of the SLO
//	              availability.worst_window[.W]    default 1s
//	              availability.dip[.W]             worst window after the fault against before
//	              brownout  errors  outage
//	              latency.{p50,p99,p999}[.{before,during,after}]
//	              latency.p99.rise  degraded  surge.goodput  surge.recovery
//	name          rto[.failback]  detect  failover  reconnect  settle  steady
//	              exposed  restarts  foreseen
//	              lost  rpo.ops  rpo.seconds  split_brain  duplicates  phantoms
//	              acknowledged.{p50,p99,p999}      latency of acknowledged writes
//	              owner.overlap  owner.gap
//	              calibration.error
//	              check.NAME
//
// known is false for every other name.
func (a *analysis) measure(name string) (q quantity, known bool) {
	if check, ok := strings.CutPrefix(name, "check."); ok {
		return a.checked(check), true
	}
	if node, ok := strings.CutPrefix(name, "returned."); ok {
		return a.returned(node), true
	}
	if node, ok := strings.CutPrefix(name, "removed."); ok {
		return a.removed(node), true
	}
	base, lane, scoped := strings.Cut(name, "@")
	s, l := a.all, a.latencies
	if scoped {
		i := a.laneIndex(lane)
		if i < 0 {
			return quantity{}, false
		}
		s, l = a.lanes[i], a.byLane[i]
	} else if q, known = a.ofIncidents(base); known {
		return q, true
	} else if base == "restarts" {
		return a.restarts(), true
	} else if base == "foreseen" {
		return a.foreseen(), true
	} else if q, known = a.ofLedger(base); known {
		return q, true
	} else if q, known = a.ofOwners(base); known {
		return q, true
	} else if q, known = a.ofAcknowledged(base); known {
		return q, true
	}
	if s.len() == 0 {
		_, known = a.ofSeries(base, s, l)
		return quantity{missing: "no operation was intended in the judged window"}, known
	}
	return a.ofSeries(base, s, l)
}

func (a *analysis) laneIndex(name string) int {
	for i, l := range a.log.Header.Lanes {
		if l.Name == name && !outside(l) {
			return i
		}
	}
	return -1
}

// ofSeries measures what the operations of one lane, or of all, say.
func (a *analysis) ofSeries(name string, s *series, l latencies) (quantity, bool) {
	n := s.len()
	noise, run := a.noise.Seconds(), a.run.length()
	share := func(of time.Duration) float64 { return min(1, noise/of.Seconds()) }
	switch {
	case name == "availability.requests":
		return quantity{value: ratio(s.goodIn(0, n), n), unit: "ratio", ok: n > 0, samples: n, tolerance: share(run)}, true
	case name == "errors":
		perSecond := float64(n) / max(run.Seconds(), 1e-9)
		return quantity{value: float64(n - s.goodIn(0, n)), unit: "ops", ok: n > 0, samples: n, tolerance: noise * perSecond}, true
	case name == "outage":
		gap, _ := s.longestGap(a.run.from, a.run.to)
		return quantity{value: gap.Seconds(), unit: "s", ok: n > 0, samples: n, tolerance: noise, floor: true}, true
	case name == "brownout":
		_, slices, brown := s.slices(a.run, a.slo.Slice, a.slo.Success)
		return quantity{value: brown.Seconds(), unit: "s", ok: slices > 0, samples: slices, tolerance: noise + a.slo.Slice.Seconds()}, true
	}
	if q, known := a.ofProtection(name, s); known {
		return q, true
	}
	if param, ok := strings.CutPrefix(name, "availability.time"); ok {
		d, ok := lengthParam(param, a.slo.Slice)
		if !ok {
			return quantity{}, false
		}
		good, total, _ := s.slices(a.run, d, a.slo.Success)
		return quantity{value: ratio(good, total), unit: "ratio", ok: total > 0, samples: total, tolerance: share(run) + ratio(1, total)}, true
	}
	if param, ok := strings.CutPrefix(name, "availability.worst_window"); ok {
		w, ok := lengthParam(param, time.Second)
		if !ok {
			return quantity{}, false
		}
		worst, _, fits := s.worstWindow(a.run, w)
		return quantity{value: worst, unit: "ratio", ok: fits, samples: n, tolerance: share(w),
			missing: fmt.Sprintf("the run holds no window of %v", w)}, true
	}
	if param, ok := strings.CutPrefix(name, "availability.dip"); ok {
		w, ok := lengthParam(param, time.Second)
		if !ok {
			return quantity{}, false
		}
		return a.dip(s, w), true
	}
	for _, quantile := range quantiles {
		for p, suffix := range partNames {
			if name == "latency."+quantile.name+suffix {
				v, samples, ok := l.quantile(part(p), quantile.q)
				return quantity{value: v, unit: "s", ok: ok, samples: samples, tolerance: noise,
					missing: "no operation was intended" + map[bool]string{true: " in the part" + suffix}[suffix != ""]}, true
			}
		}
	}
	return quantity{}, false
}

// lengthParam reads the optional ".1s" at the end of a figure's name.
func lengthParam(param string, otherwise time.Duration) (time.Duration, bool) {
	if param == "" {
		return otherwise, true
	}
	text, ok := strings.CutPrefix(param, ".")
	d, err := time.ParseDuration(text)
	return d, ok && err == nil && d > 0
}

// ofIncidents measures the worst of all incidents. An incident that never
// recovered makes the figure censored: the worst is at least that bad.
func (a *analysis) ofIncidents(name string) (quantity, bool) {
	q := quantity{unit: "s", tolerance: a.noise.Seconds(), floor: true}
	pick := map[string]func(*record.Incident) (*float64, bool){
		"rto": func(in *record.Incident) (*float64, bool) { return in.RTO, in.Censored },
		"rto.failback": func(in *record.Incident) (*float64, bool) {
			if !in.Failback {
				return nil, false
			}
			return in.RTO, in.Censored
		},
		"detect":    a.detect,
		"failover":  func(in *record.Incident) (*float64, bool) { return in.Failover, false },
		"reconnect": func(in *record.Incident) (*float64, bool) { return in.Reconnect, false },
		"settle":    func(in *record.Incident) (*float64, bool) { return in.Settle, false },
		"steady":    func(in *record.Incident) (*float64, bool) { return a.never(in, in.Steady) },
		"exposed":   func(in *record.Incident) (*float64, bool) { return in.Exposed, in.ExposedCensored },
	}[name]
	if name == "calibration.error" {
		if e := a.result.Instrument.Calibration; e != nil {
			// The error is against a length known from elsewhere: noise adds to it
			// and cannot hide it.
			return quantity{value: *e, unit: "s", ok: true, samples: len(a.log.Header.Scenario.KnownOutages), tolerance: a.noise.Seconds(), stands: true}, true
		}
		return quantity{missing: "the measured outages do not match the known ones in number"}, true
	}
	if pick == nil {
		return q, false
	}
	q.missing = "no incident of this run has a " + name
	if name == "rto" && len(a.proofs) == 0 { // a run without faults has nothing to recover from
		q.ok, q.samples, q.missing = a.all.len() > 0, a.all.len(), "no operation was intended in the judged window"
		return q, true
	}
	for i := range a.incidents {
		v, censored := pick(&a.incidents[i])
		if v == nil {
			continue
		}
		q.ok = true
		q.samples++
		q.censored = q.censored || censored
		q.value = max(q.value, *v)
	}
	return q, true
}

// detect is the incident's detection, or how long nothing was declared.
// A failback needs no detection.
func (a *analysis) detect(in *record.Incident) (*float64, bool) {
	if in.Failback || in.Marks.T0 == record.Never {
		return nil, false
	}
	return a.never(in, in.Detect)
}

// never stands in for a mark that did not come before the load ended.
func (a *analysis) never(in *record.Incident, v *float64) (*float64, bool) {
	if v != nil || in.RTO == nil {
		return v, false
	}
	return seconds(a.run.to.Sub(in.Marks.T0)), true
}

// calibrate compares the measured outages with the exactly known ones.
func (a *analysis) calibrate() {
	known := a.log.Header.Scenario.KnownOutages
	var measured []float64
	for _, in := range a.incidents {
		if !in.Failback && in.Outage != nil {
			measured = append(measured, *in.Outage)
		}
	}
	if len(known) == 0 || len(known) != len(measured) {
		return
	}
	worst := 0.0
	for i, k := range known {
		worst = max(worst, math.Abs(measured[i]-k.Seconds()))
	}
	a.result.Instrument.Calibration = &worst
}

func ratio(part, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(part) / float64(of)
}
