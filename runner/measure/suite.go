package measure

import (
	"cmp"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// Suite is the standing of many runs together.
//
//	runs ──▶ scenarios (repetitions) ──▶ rows ──▶ suite
//	          bound over runs             means weighted by criticality
//
// Twins are apart: they must fail, so their scores say nothing of the system.
// What counts of a twin is whether it was caught.
type Suite struct {
	Grade
	Rows     []Row    `json:"rows"`
	Coverage Coverage `json:"coverage"`
	Twins    []Twin   `json:"twins"`
}

// Row is one part of a highly available system with its scenarios.
type Row struct {
	Grade
	Scenarios []Grade `json:"scenarios"`
	// Verified: every safe scenario of the row passed and a twin was caught. A
	// check that has never caught anything proves nothing.
	Verified bool `json:"verified"`
}

// Twin is a known-bad scenario over its repetitions.
type Twin struct {
	Name   string `json:"name"`
	Row    string `json:"row"`
	TwinOf string `json:"twin_of"`
	Runs   int    `json:"runs"`
	Caught int    `json:"caught"` // runs that failed for the declared reason
}

// Coverage counts cells: declared scenarios, twins among them. It stands
// beside the score, never inside it.
type Coverage struct {
	Measured int `json:"measured"` // with at least one run that was judged
	Declared int `json:"declared"`
}

// Ratio returns measured / declared, 0 when nothing is declared.
func (c Coverage) Ratio() float64 { return ratio(c.Measured, c.Declared) }

// NewSuite stands many results together. declared names every scenario that
// the suite has, whether it ran or not; a result of a scenario that is not
// declared counts as declared too. The order of results does not matter.
func NewSuite(declared []string, results []*record.Result, seed uint64) Suite {
	results = slices.Clone(results)
	slices.SortStableFunc(results, func(a, b *record.Result) int {
		return cmp.Or(cmp.Compare(a.Scenario.Row, b.Scenario.Row), cmp.Compare(a.Scenario.Name, b.Scenario.Name),
			cmp.Compare(a.Repeat, b.Repeat), cmp.Compare(a.Run, b.Run))
	})
	cells := slices.Clone(declared)
	s := Suite{Rows: []Row{}, Twins: []Twin{}}
	for len(results) > 0 {
		n := 1
		for n < len(results) && results[n].Scenario.Name == results[0].Scenario.Name {
			n++
		}
		s.add(results[:n], seed)
		cells = append(cells, results[0].Scenario.Name)
		results = results[n:]
	}
	slices.Sort(cells)
	s.Coverage.Declared = len(slices.Compact(cells))
	var rows []Grade
	for i := range s.Rows {
		r := &s.Rows[i]
		name := r.Name
		r.Grade = combine(r.Scenarios)
		r.Name = name
		r.Verified = r.Verdict == record.Pass && slices.ContainsFunc(s.Twins, func(t Twin) bool { return t.Row == name && t.Caught > 0 }) &&
			!slices.ContainsFunc(s.Twins, func(t Twin) bool { return t.Row == name && t.Caught < t.Runs })
		if len(r.Scenarios) > 0 {
			rows = append(rows, r.Grade)
		}
	}
	s.Grade = combine(rows)
	s.Name = "suite"
	return s
}

// add files the repetitions of one scenario.
func (s *Suite) add(results []*record.Result, seed uint64) {
	sc := results[0].Scenario
	if n := len(s.Rows); n == 0 || s.Rows[n-1].Name != sc.Row {
		s.Rows = append(s.Rows, Row{Grade: Grade{Name: sc.Row}, Scenarios: []Grade{}})
	}
	row := &s.Rows[len(s.Rows)-1]
	if slices.ContainsFunc(results, func(r *record.Result) bool { return r.Verdict == record.Pass || r.Verdict == record.Failed }) {
		s.Coverage.Measured++
	}
	if sc.TwinOf != "" {
		t := Twin{Name: sc.Name, Row: sc.Row, TwinOf: sc.TwinOf, Runs: len(results)}
		for _, r := range results {
			if r.Caught != nil && r.Caught.Caught {
				t.Caught++
			}
		}
		s.Twins = append(s.Twins, t)
		return
	}
	row.Scenarios = append(row.Scenarios, GradeScenario(results, seed))
}

// combine returns the mean of several grades weighted by criticality. Parts
// without a score are left out of the mean, which coverage and verdict show,
// and the worst letter cap of any part holds for the whole: a mean must not
// bury a lost write. With no part graded the whole is ungraded.
func combine(parts []Grade) Grade {
	g := Grade{Letter: Ungraded}
	var score, bound, weight float64
	for _, p := range parts {
		g.Verdict = record.Worst(g.Verdict, p.Verdict)
		g.Runs += p.Runs
		critical := p.Criticality
		if critical <= 0 {
			critical = 1
		}
		g.Criticality += critical
		g.Caps = addCaps(g.Caps, p.Caps)
		if p.Score == nil || p.Letter == Ungraded {
			continue
		}
		g.Graded++
		g.Provisional = g.Provisional || p.Provisional
		score += critical * *p.Score
		bound += critical * *p.Bound
		weight += critical
	}
	if weight == 0 {
		return g
	}
	score, bound = score/weight, bound/weight
	g.Score, g.Bound = &score, &bound
	g.Letter = capped(Letter(bound), g.Caps)
	return g
}
