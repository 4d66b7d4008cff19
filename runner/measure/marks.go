package measure

import (
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// relapse is the window that must meet the SLO at all times after t5. It is
// shorter than the stable window: in five seconds an SLO of 99 % could hide an
// outage of 50 ms, in one second only 10 ms.
const relapse = time.Second

// recovery finds t5 within [t0, until): the first operation after which no
// one-second window falls below the SLO and whose own first second never
// does, counted from that operation on. The latter keeps the last bad
// operations of an outage, few enough for the SLO to allow, from counting as
// recovered. stable is false when less than the stable window is left before
// until; t5 is then the earliest that the recovery can have been.
func (s *series) recovery(t0, until record.Time, slo record.SLO) (t5 record.Time, stable bool) {
	a, b := s.first(t0), s.first(until)
	if a == b {
		return until, false
	}
	if s.goodIn(a, b) == b-a {
		return t0, until.Sub(t0) >= min(relapse, slo.Stable)
	}
	w := min(relapse, slo.Stable, until.Sub(t0))
	tail := max(a, s.first(until.Add(-w)))
	lastBad, end := -1, a
	for i := a; i < b; i++ {
		if s.isGood(i) {
			continue
		}
		from := i
		if s.at[i].Add(w) > until {
			from, end = min(tail, i), b
		}
		for end < b && s.at[end] < s.at[i].Add(w) {
			end++
		}
		if below(s.goodIn(from, end), end-from, slo.Success) {
			lastBad = i
		}
	}
	c := lastBad + 1
	if lastBad < 0 {
		c = a
	}
next:
	for c < b {
		if !s.isGood(c) {
			c++
			continue
		}
		for j := c; j < b && s.at[j] < s.at[c].Add(w); j++ {
			if below(s.goodIn(c, j+1), j+1-c, slo.Success) {
				c = j + 1
				continue next
			}
		}
		break
	}
	switch {
	case c >= b:
		return until, false
	case c == a:
		return t0, until.Sub(t0) >= slo.Stable
	}
	return s.at[c], until.Sub(s.at[c]) >= slo.Stable
}

// mark fills in the marks and parts of every incident. Each is followed until
// the first later step of the schedule (or the end of the load) that leaves
// it a whole stable window: what a later fault or the healing breaks is
// theirs, but a service that was still down when the next step came was not
// recovered by then.
func (a *analysis) mark() {
	for i := range a.incidents {
		in := &a.incidents[i]
		if !in.Proven || in.Marks.T0 >= a.run.to {
			continue
		}
		t0 := in.Marks.T0
		until := a.run.to
		t5, stable := t0, false
		for j := i + 1; j <= len(a.incidents) && !stable; j++ {
			until = a.run.to
			if j < len(a.incidents) {
				if next := &a.incidents[j]; !next.Proven || next.Marks.T0 >= a.run.to {
					continue
				} else {
					until = next.Marks.T0
				}
			}
			t5, stable = a.all.recovery(t0, until, a.slo)
		}
		lo, hi := a.all.first(t0), a.all.first(until)
		if lo == hi {
			continue // nothing was due: nothing can be said
		}
		if !stable && until == a.run.to && a.all.goodIn(lo, hi) == hi-lo {
			stable = true // no operation was bad until the load ended
		}
		a.clientMarks(in, lo, hi)
		a.componentMarks(in, until, stable)
		if stable {
			in.Marks.T5 = t5
		} else {
			in.Censored = true
		}
		rto := t5.Sub(t0).Seconds()
		in.RTO = &rto
		a.steady(in)
		a.redundancy(in)
		a.parts(in)
		gap, _ := a.all.longestGap(t0, a.outageEnd(i))
		in.Outage = seconds(gap)
	}
}

// outageEnd bounds the search for the outage of incident i: the next incident
// of another fault, or of its own failback for a failback.
func (a *analysis) outageEnd(i int) record.Time {
	in := &a.incidents[i]
	for j := i + 1; j < len(a.incidents); j++ {
		next := &a.incidents[j]
		own := next.Failback && next.Fault.ID == in.Fault.ID
		if next.Proven && !own {
			return min(next.Marks.T0, a.run.to)
		}
	}
	return a.run.to
}

// clientMarks sets t1 and t4 from the operations [lo, hi).
func (a *analysis) clientMarks(in *record.Incident, lo, hi int) {
	i := lo
	for i < hi && a.all.isGood(i) {
		i++
	}
	if i == hi {
		return
	}
	in.Marks.T1 = a.all.at[i]
	for i < hi && !a.all.isGood(i) {
		i++
	}
	if i < hi {
		in.Marks.T4 = a.all.at[i]
	}
}

// componentMarks sets t2 and t3 from what the components declared. Without a
// declared owner, t3 is the first write or request after t1 that took effect,
// however late its answer. A declaration seen while the operation of t4 was
// under way came no later than t4: the components are asked now and then, and
// the operation is the finer clock.
func (a *analysis) componentMarks(in *record.Incident, until record.Time, stable bool) {
	if !stable {
		until = a.end + 1
	}
	m := &in.Marks
	for i := range a.log.Events {
		e := &a.log.Events[i]
		if e.At < m.T0 || e.At >= until || e.Fault != "" && e.Fault != in.Fault.ID {
			continue
		}
		switch {
		case e.Kind == record.EventDeclared && m.T2 == record.Never:
			m.T2 = e.At
		case e.Kind == record.EventOwner && m.T3 == record.Never:
			m.T3 = e.At
		}
	}
	if m.T3 == record.Never && m.T1 != record.Never {
		m.T3 = a.firstAccepted(m.T1, until)
	}
	if m.T3 > m.T4 && m.T4 != record.Never && m.T3.Sub(m.T4) <= a.latencyAt(m.T4) {
		m.T3 = m.T4
	}
}

// latencyAt returns the latency of the first good operation due at t.
func (a *analysis) latencyAt(t record.Time) time.Duration {
	for i := a.all.first(t); i < a.all.len() && a.all.at[i] == t; i++ {
		if a.all.isGood(i) {
			return time.Duration(a.all.latency[i])
		}
	}
	return 0
}

// firstAccepted returns when the first write or request took effect that was
// due after t1; reads count only where the load has nothing else.
func (a *analysis) firstAccepted(t1, until record.Time) record.Time {
	read := record.Never
	for i := range a.ops {
		op := &a.ops[i]
		if op.Intended <= t1 || op.Intended >= until || !a.counts(op) || op.Outcome != record.Ok {
			continue
		}
		if op.Function == record.Request || mutates(op.Function) {
			return op.Intended
		}
		if read == record.Never {
			read = op.Intended
		}
	}
	return read
}

// mutates tells whether an acknowledged operation of this function promises
// that something was kept.
func mutates(f record.Function) bool {
	switch f {
	case record.Write, record.CompareAndSet, record.Add, record.Enqueue, record.Transfer,
		record.Effect, record.Append, record.Transaction:
		return true
	}
	return false
}

// parts sets detect, failover, reconnect and settle. They add up to rto when
// every mark exists. Marks out of order leave the parts they bound unsaid:
// in a partial outage the first good operation comes long before the new
// owner, so reconnect and settle would be fiction, while detect and failover
// are still the components' own word.
func (a *analysis) parts(in *record.Incident) {
	m := in.Marks
	between := func(x, y record.Time) *float64 {
		if x == record.Never || y == record.Never || y < x {
			return nil
		}
		return seconds(y.Sub(x))
	}
	in.Detect = between(m.T0, m.T2)
	in.Failover = between(m.T2, m.T3)
	last, ordered := m.T0, true
	for _, t := range []record.Time{m.T2, m.T3, m.T4, m.T5} {
		if t != record.Never {
			ordered = ordered && t >= last
			last = max(last, t)
		}
	}
	if !ordered {
		a.disorder++
		return
	}
	in.Reconnect = between(m.T3, m.T4)
	in.Settle = between(m.T4, m.T5)
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}
