package measure

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hadrill/hadrill/runner/record"
)

// drawSeries draws up to 60 operations at arbitrary times of 10 s.
func drawSeries(t *rapid.T) *series {
	ats := rapid.SliceOfN(rapid.Int64Range(0, 10_000), 0, 60).Draw(t, "at")
	goods := rapid.SliceOfN(rapid.Bool(), len(ats), len(ats)).Draw(t, "good")
	return seriesOf(ats, goods)
}

// seriesOf makes a series from times in milliseconds, in any order.
func seriesOf(ats []int64, goods []bool) *series {
	type point struct {
		at   int64
		good bool
	}
	var ps []point
	for i, x := range ats {
		ps = append(ps, point{x, goods[i]})
	}
	for i := range ps { // insertion sort: the order must not depend on the library
		for j := i; j > 0 && ps[j-1].at > ps[j].at; j-- {
			ps[j-1], ps[j] = ps[j], ps[j-1]
		}
	}
	s := newSeries(len(ps))
	for _, p := range ps {
		op := record.Op{Intended: record.Time(p.at * 1e6), Outcome: record.Fail}
		op.End = op.Intended
		if p.good {
			op.Outcome = record.Ok
		}
		s.add(&op, 0)
	}
	s.finish()
	return s
}

// bruteWorst tries a window at every millisecond, and just before and after.
func bruteWorst(s *series, w span, length time.Duration) (float64, bool) {
	worst, found := 2.0, false
	for base := w.from - 1e6; base <= w.to+1e6; base += 1e6 {
		for _, start := range []record.Time{base - 1, base, base + 1} {
			if start < w.from || start.Add(length) > w.to {
				continue
			}
			n, good := 0, 0
			for i, at := range s.at {
				if start <= at && at < start.Add(length) {
					n++
					if s.isGood(i) {
						good++
					}
				}
			}
			if n > 0 {
				worst, found = min(worst, float64(good)/float64(n)), true
			}
		}
	}
	return worst, found
}

func TestTheWorstWindowIsThatOfBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		ats := rapid.SliceOfN(rapid.Int64Range(0, 200), n, n).Draw(t, "at")
		s := seriesOf(ats, rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "good"))
		w := span{0, record.Time(200 * ms)}
		length := time.Duration(rapid.IntRange(1, 210).Draw(t, "length")) * ms
		got, _, ok := s.worstWindow(w, length)
		want, found := bruteWorst(s, w, length)
		require.Equal(t, found, ok)
		if ok {
			require.InDelta(t, want, got, 1e-12)
		}
	})
}

func TestTheWorstWindowOnlyGetsBetterWhenBadOperationsTurnGood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ats := rapid.SliceOfN(rapid.Int64Range(0, 10_000), 1, 60).Draw(t, "at")
		goods := rapid.SliceOfN(rapid.Bool(), len(ats), len(ats)).Draw(t, "good")
		length := time.Duration(rapid.IntRange(1, 10_000).Draw(t, "length")) * ms
		w := span{0, record.Time(10 * time.Second)}
		before, _, ok := seriesOf(ats, goods).worstWindow(w, length)
		// A good operation beside every one that is there.
		more := append([]int64{}, ats...)
		all := append([]bool{}, goods...)
		k := rapid.IntRange(0, len(ats)-1).Draw(t, "k")
		more, all = append(more, ats[k]), append(all, true)
		after, _, _ := seriesOf(more, all).worstWindow(w, length)
		if ok {
			require.GreaterOrEqual(t, after, before-1e-12)
		}
	})
}

func TestLongestGapIsThatOfBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSeries(t)
		from := record.Time(rapid.Int64Range(0, 5_000).Draw(t, "from") * 1e6)
		to := from.Add(time.Duration(rapid.Int64Range(1, 5_000).Draw(t, "length")) * ms)
		var edges []record.Time
		edges = append(edges, from)
		for i, at := range s.at {
			if s.isGood(i) && at > from && at < to {
				edges = append(edges, at)
			}
		}
		edges = append(edges, to)
		want := time.Duration(0)
		for i := 1; i < len(edges); i++ {
			want = max(want, edges[i].Sub(edges[i-1]))
		}
		got, at := s.longestGap(from, to)
		require.Equal(t, want, got)
		require.Contains(t, edges, at)
	})
}

// drawStory draws a run with one or two faults and outages anywhere.
func drawStory(t *rapid.T) *story {
	s := newStory(12 * time.Second)
	heal := time.Duration(rapid.IntRange(0, 8).Draw(t, "heal")) * 500 * ms
	if heal > 0 {
		heal += 4 * time.Second
	}
	s.fault(3*time.Second, heal)
	for range rapid.IntRange(0, 4).Draw(t, "outages") {
		from := time.Duration(rapid.IntRange(0, 11_000).Draw(t, "from")) * ms
		s.down(from, from+time.Duration(rapid.IntRange(1, 3_000).Draw(t, "length"))*ms)
	}
	declared := time.Duration(rapid.IntRange(2_000, 9_000).Draw(t, "declared")) * ms
	s.event(declared, record.Event{Kind: record.EventDeclared})
	if rapid.Bool().Draw(t, "owner") {
		s.event(declared+time.Duration(rapid.IntRange(0, 2_000).Draw(t, "later"))*ms, record.Event{Kind: record.EventOwner})
	}
	return s.promise(objective("rto", 2), ratioObjective("availability.requests", 0.9), objective("exposed", 1))
}

func TestThePartsAddUpToTheWhole(t *testing.T) {
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		// An outage, a declaration and an owner within it, then some flapping.
		step := func(name string) time.Duration { return time.Duration(rapid.IntRange(0, 1_500).Draw(t, name)) * ms }
		declared := 3*time.Second + step("declared")
		owner := declared + step("owner")
		back := owner + step("back") + spacing
		s := newStory(14*time.Second).fault(3*time.Second, 0).down(3*time.Second+step("late")/10, back).
			event(declared, record.Event{Kind: record.EventDeclared}).event(owner, record.Event{Kind: record.EventOwner})
		if rapid.Bool().Draw(t, "flaps") {
			s.down(back+100*ms, back+100*ms+step("flap"))
		}
		for _, in := range s.analyze().Incidents {
			if in.Detect == nil || in.Failover == nil || in.Reconnect == nil || in.Settle == nil {
				continue
			}
			seen++
			require.InDelta(t, *in.RTO, *in.Detect+*in.Failover+*in.Reconnect+*in.Settle, 1e-9)
		}
	})
	assert.Positive(t, seen, "a property that nothing exercised proves nothing")
}

func TestMarksKeepTheirMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStory(t)
		for _, in := range s.analyze().Incidents {
			m := in.Marks
			for _, x := range []record.Time{m.T1, m.T2, m.T3, m.T4, m.T5, m.T6, m.T7} {
				if x != record.Never {
					require.GreaterOrEqual(t, x, m.T0)
				}
			}
			require.Equal(t, in.Censored, m.T5 == record.Never)
			if m.T4 != record.Never {
				require.Greater(t, m.T4, m.T1)
			}
			if m.T6 != record.Never {
				require.GreaterOrEqual(t, m.T6, m.T5)
			}
		}
	})
}

func TestWhenARunBeganChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStory(t)
		shift := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "shift"))
		want := s.analyze()
		for i := range s.log.Ops {
			op := &s.log.Ops[i]
			op.Intended, op.Start, op.End = op.Intended.Add(shift), op.Start.Add(shift), op.End.Add(shift)
		}
		for i := range s.log.Events {
			e := &s.log.Events[i]
			e.At = e.At.Add(shift)
			if e.Bracket != nil {
				e.Bracket = &record.Bracket{Before: e.Bracket.Before.Add(shift), After: e.Bracket.After.Add(shift)}
			}
		}
		got := s.analyze()
		for _, r := range []*record.Result{want, got} { // instants move with the run, figures must not
			r.Phases = nil
			for i := range r.Incidents {
				in := &r.Incidents[i]
				in.Marks, in.Bracket, in.HealedAt = record.Marks{}, record.Bracket{}, 0
			}
		}
		a, err := json.Marshal(want)
		require.NoError(t, err)
		b, err := json.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, string(a), string(b))
	})
}

// A planted defect: one more bad operation may improve no figure.
func TestOneMoreBadOperationImprovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStory(t)
		before := s.analyze()
		k := rapid.IntRange(0, len(s.log.Ops)/2-1).Draw(t, "which") * 2
		if s.log.Ops[k].Outcome == record.Fail {
			t.Skip("already bad")
		}
		s.log.Ops[k].Outcome = record.Fail
		after := s.analyze()
		for _, f := range before.Figures {
			i := slices.IndexFunc(after.Figures, func(g record.Figure) bool { return g.Name == f.Name && g.Lane == f.Lane })
			if i < 0 {
				continue
			}
			g := after.Figures[i]
			switch {
			case strings.HasPrefix(f.Name, "availability."):
				require.LessOrEqual(t, g.Value, f.Value+1e-12, f.Name)
			case f.Name == "errors":
				require.Equal(t, f.Value+1, g.Value)
			case f.Name == "outage":
				require.GreaterOrEqual(t, g.Value, f.Value-1e-12, f.Name)
			case f.Name == "rto":
				require.GreaterOrEqual(t, g.Value, f.Value-0.2, "a prefix below the SLO is at most 1/(1-success) operations long")
			}
		}
	})
}

func TestQualityPassesThroughItsTwoPointsAndFalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := record.Objective{Unit: "s", Target: rapid.Float64Range(0.001, 10).Draw(t, "target")}
		o.Limit = o.Target * rapid.Float64Range(1.1, 100).Draw(t, "ratio")
		require.InDelta(t, 0.9, quality(o, o.Target, false), 1e-9)
		require.InDelta(t, 0.5, quality(o, o.Limit, false), 1e-9)
		require.Equal(t, 1.0, quality(o, 0, false))
		a, b := rapid.Float64Range(0, 200).Draw(t, "a"), rapid.Float64Range(0, 200).Draw(t, "b")
		if a > b {
			a, b = b, a
		}
		require.GreaterOrEqual(t, quality(o, a, false), quality(o, b, false))
		require.LessOrEqual(t, quality(o, a, true), 0.5+1e-9)
	})
}

func TestQualityAtTheEdges(t *testing.T) {
	count := record.Objective{Unit: "ops"}
	assert.Equal(t, 1.0, quality(count, 0, false))
	assert.Equal(t, 0.0, quality(count, 1, false), "one loss of none allowed leaves no quality")
	avail := record.Objective{Unit: "ratio", Higher: true, Target: 0.999, Limit: 0.99}
	assert.Equal(t, 1.0, quality(avail, 1, false))
	assert.InDelta(t, 0.9, quality(avail, 0.999, false), 1e-9)
	assert.InDelta(t, 0.5, quality(avail, 0.99, false), 1e-9)
	perfect := record.Objective{Unit: "ratio", Higher: true, Target: 1, Limit: 0.99}
	assert.Equal(t, 1.0, quality(perfect, 1, false))
	assert.InDelta(t, 0.9, quality(perfect, 0.999, false), 1e-9)
	rate := record.Objective{Unit: "ops/s", Higher: true, Target: 1000, Limit: 500}
	assert.InDelta(t, 0.9, quality(rate, 1000, false), 1e-9)
	assert.InDelta(t, 0.5, quality(rate, 500, false), 1e-9)
	assert.Equal(t, 0.0, quality(rate, 0, false))
	strict := record.Objective{Unit: "s", Target: 1, Limit: 1}
	assert.Equal(t, 0.9, quality(strict, 1, false))
	assert.Equal(t, 0.0, quality(strict, 1.1, false))
	assert.False(t, math.IsNaN(quality(record.Objective{Unit: "s", Target: 2, Limit: 1}, 1.5, false)))
}
