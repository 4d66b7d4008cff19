package measure

import (
	"math"
	"slices"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// band is the baseline band: what p99 and throughput were before any fault,
// with the room that noise needs.
type band struct {
	ok         bool
	p99        time.Duration // at most this: max(1.5 x baseline p99, baseline p99 + 5 ms)
	throughput float64       // at least this many answered operations a second: 95 % of the baseline's
	slow       []int32       // prefix sums of answered operations slower than p99
}

// baselineBand reads the band off the operations of phase baseline.
func (a *analysis) baselineBand() band {
	i, j := a.all.first(a.baseline.from), a.all.first(a.baseline.to)
	var answered []int64
	for k := i; k < j; k++ {
		if a.all.answered[k+1] > a.all.answered[k] {
			answered = append(answered, a.all.latency[k])
		}
	}
	if len(answered) == 0 || a.baseline.length() <= 0 {
		return band{}
	}
	slices.Sort(answered)
	p99 := time.Duration(answered[nearestRank(0.99, len(answered))-1])
	b := band{
		ok:         true,
		p99:        max(p99+p99/2, p99+5*time.Millisecond),
		throughput: 0.95 * float64(len(answered)) / a.baseline.length().Seconds(),
		slow:       make([]int32, a.all.len()+1),
	}
	for k, l := range a.all.latency {
		b.slow[k+1] = b.slow[k]
		if a.all.answered[k+1] > a.all.answered[k] && time.Duration(l) > b.p99 {
			b.slow[k+1]++
		}
	}
	return b
}

// nearestRank returns the rank, from 1, of quantile q among n sorted samples.
func nearestRank(q float64, n int) int {
	return max(1, int(math.Ceil(q*float64(n)-1e-9)))
}

// steady sets t6: the start of the first one-second window from t5 on whose
// p99 and throughput are in the baseline band. Windows are tried every slice.
// The p99 of a window is in the band when at least 99 % of its answered
// operations are, so no sorting is needed.
func (a *analysis) steady(in *record.Incident) {
	if !a.band.ok || in.Marks.T5 == record.Never {
		return
	}
	for at := in.Marks.T5; at.Add(relapse) <= a.run.to; at = at.Add(a.slo.Slice) {
		i, j := a.all.first(at), a.all.first(at.Add(relapse))
		n := a.all.answeredIn(i, j)
		if n == 0 || float64(n) < a.band.throughput*relapse.Seconds()-1e-9 {
			continue
		}
		if slow := int(a.band.slow[j] - a.band.slow[i]); n-slow >= nearestRank(0.99, n) {
			in.Marks.T6 = at
			in.Steady = seconds(at.Sub(in.Marks.T0))
			return
		}
	}
}

// redundancy sets t7: when the members in service first were all of them
// again after having been fewer. A system with several kinds of membership
// (names) is restored when the last of them is. Never fewer means never
// exposed; fewer to the end of the log is censored. Restoration after the
// load counts: redundancy needs no clients.
func (a *analysis) redundancy(in *record.Incident) {
	type group struct {
		name     string
		below    bool
		restored record.Time
	}
	var groups []*group
	seen := a.run.to
	for i := range a.log.Events {
		e := &a.log.Events[i]
		if e.Kind != record.EventRedundancy {
			continue
		}
		k := slices.IndexFunc(groups, func(g *group) bool { return g.name == e.Name })
		if k < 0 {
			k = len(groups)
			groups = append(groups, &group{name: e.Name, restored: record.Never})
		}
		g, full := groups[k], e.Number >= e.Of
		seen = max(seen, e.At)
		switch {
		case e.At < in.Marks.T0:
			g.below = !full
		case !full && g.restored == record.Never:
			g.below = true
		case full && g.below && g.restored == record.Never:
			g.below, g.restored = false, e.At
		}
	}
	if len(groups) == 0 {
		return
	}
	t7 := in.Marks.T0
	for _, g := range groups {
		if g.below {
			in.ExposedCensored = true
			in.Exposed = seconds(seen.Sub(in.Marks.T0))
			return
		}
		t7 = max(t7, g.restored)
	}
	in.Marks.T7 = t7
	in.Exposed = seconds(t7.Sub(in.Marks.T0))
}
