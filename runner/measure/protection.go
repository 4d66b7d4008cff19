package measure

import (
	"slices"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// ofProtection measures what protection is for.
//
//	degraded          share of the intended operations that were answered in a
//	                  degraded way
//	latency.p99.rise  p99 while any fault was in force, against p99 before the
//	                  first: 0.2 is a fifth more
//	surge.goodput     good operations a second that were due in the surge, as a
//	                  share of the capacity
//	surge.recovery    from the surge's end to the first stable window
func (a *analysis) ofProtection(name string, s *series) (quantity, bool) {
	switch name {
	case "degraded":
		n := s.len()
		return quantity{value: ratio(int(s.degraded[n]), n), unit: "ratio", ok: s.degraded[n] > 0, samples: n,
			missing: "no operation was answered in a degraded way", tolerance: min(1, a.noise.Seconds()/max(a.run.length().Seconds(), 1e-9))}, true
	case "latency.p99.rise":
		return a.rise(s), true
	case "surge.goodput":
		return a.surgeGoodput(s), true
	case "surge.recovery":
		return a.surgeRecovery(s), true
	}
	return quantity{}, false
}

// rise compares the latency while faults were in force with the one before.
func (a *analysis) rise(s *series) quantity {
	q := quantity{unit: "ratio", missing: "no fault was in force while operations were due before it and under it"}
	first := a.firstStruck()
	var before, under []int64
	for i, at := range s.at {
		switch {
		case first == record.Never || at < first:
			before = append(before, s.latency[i])
		case a.inForce(at):
			under = append(under, s.latency[i])
		}
	}
	if len(before) == 0 || len(under) == 0 {
		return q
	}
	p99 := func(ls []int64) float64 {
		slices.Sort(ls)
		return time.Duration(max(ls[nearestRank(0.99, len(ls))-1], 1)).Seconds()
	}
	base := p99(before)
	q.value, q.ok, q.samples = p99(under)/base-1, true, len(before)+len(under)
	q.tolerance = a.noise.Seconds() / base
	return q
}

// inForce tells whether any proven fault was, at that time.
func (a *analysis) inForce(at record.Time) bool {
	return slices.ContainsFunc(a.incidents, func(in record.Incident) bool {
		return in.Proven && !in.Failback && in.Marks.T0 <= at && (in.HealedAt == record.Never || at < in.HealedAt)
	})
}

// surge is the span in which more was offered than the system can do.
func (a *analysis) surge() (w span, ok bool) {
	u := a.log.Header.Scenario.Surge
	if u == nil {
		return span{}, false
	}
	w = span{a.run.from.Add(u.From), a.run.from.Add(u.To)}
	return w, w.to <= a.run.to // a run that was cut short in it says nothing
}

func (a *analysis) surgeGoodput(s *series) quantity {
	w, ok := a.surge()
	i, j := s.first(w.from), s.first(w.to)
	if !ok || i == j {
		return quantity{missing: "no operation was due in a surge"}
	}
	perSecond := float64(s.goodIn(i, j)) / w.length().Seconds()
	return quantity{
		value: perSecond / a.log.Header.Scenario.Surge.Capacity, unit: "ratio", ok: true, samples: j - i,
		tolerance: min(1, a.noise.Seconds()/w.length().Seconds()),
	}
}

func (a *analysis) surgeRecovery(s *series) quantity {
	q := quantity{unit: "s", tolerance: a.noise.Seconds(), floor: true, missing: "no operation was due after a surge"}
	w, ok := a.surge()
	if !ok || s.first(w.to) == s.first(a.run.to) {
		return q
	}
	t5, stable := s.recovery(w.to, a.run.to, a.slo)
	q.value, q.ok, q.samples, q.censored = t5.Sub(w.to).Seconds(), true, s.first(a.run.to)-s.first(w.to), !stable
	return q
}

// restarts counts how often nodes were started while the load ran, those
// apart that a fault took down and healing brought back.
func (a *analysis) restarts() quantity {
	hurt := map[string]bool{}
	for _, p := range a.proofs {
		for _, node := range p.nodes {
			hurt[node] = true
		}
	}
	n := 0
	for i := range a.log.Events {
		if e := &a.log.Events[i]; e.Kind == record.EventNode && e.Name == "start" && a.run.has(e.At) && !hurt[e.Node] {
			n++
		}
	}
	return quantity{value: float64(n), unit: "restarts", ok: a.all.len() > 0, samples: a.all.len(), class: consistency,
		missing: "no operation was intended in the judged window"}
}
