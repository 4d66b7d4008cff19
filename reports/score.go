package reports

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// bootSeed makes the bootstrap the same every time.
const bootSeed = 1

// grade takes letters, scores and coverage from measure; nothing is graded
// here.
func (c *Scorecard) grade(entries []Entry, declared []record.Scenario) {
	names := make([]string, 0, len(declared))
	for _, s := range declared {
		names = append(names, s.Name)
	}
	results := make([]*record.Result, 0, len(entries))
	for _, e := range entries {
		results = append(results, e.Result)
	}
	suite := measure.NewSuite(names, results, bootSeed)
	c.Grade, c.Coverage = suite.Grade, suite.Coverage
	rows := map[string]measure.Row{}
	grades := map[string]measure.Grade{}
	for _, r := range suite.Rows {
		rows[r.Name] = r
		for _, g := range r.Scenarios {
			grades[g.Name] = g
		}
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		r.Grade = measure.Grade{Name: r.Name, Letter: measure.Ungraded}
		if m, ok := rows[r.Name]; ok {
			r.Grade, r.Verified = m.Grade, m.Verified
		}
		for k := range r.Scenarios {
			if g, ok := grades[r.Scenarios[k].Name]; ok {
				r.Scenarios[k].Grade = &g
			}
		}
	}
}

// gradeNote says what the letter stands on.
func (c *Scorecard) gradeNote() string {
	g := c.Grade
	if g.Score == nil {
		return "Ungraded: nothing that ran could be judged."
	}
	fewest := 0
	for _, r := range c.Rows {
		for _, s := range r.Scenarios {
			if s.Grade != nil && s.Grade.Graded > 0 && (fewest == 0 || s.Grade.Graded < fewest) {
				fewest = s.Grade.Graded
			}
		}
	}
	note := fmt.Sprintf("Score %.0f of 100; the letter stands on the lower 95 %% bound, %.0f, over at least %s of each scenario.",
		*g.Score, *g.Bound, plural(fewest, "repetition", "repetitions"))
	if fewest < measure.FewestBootstrap {
		note = fmt.Sprintf("Score %.0f of 100; with only %s of some scenarios the letter stands on their worst runs, %.0f.",
			*g.Score, plural(fewest, "repetition", "repetitions"), *g.Bound)
	}
	return note
}

// hardestCaps lists at most n caps with their scenarios, the lowest letter
// first; U, which is no letter, comes last.
func (c *Scorecard) hardestCaps(n int) []record.Cap {
	var all []record.Cap
	for _, r := range c.Rows {
		for _, s := range r.Scenarios {
			if s.Grade == nil {
				continue
			}
			for _, k := range s.Grade.Caps {
				all = append(all, record.Cap{Letter: k.Letter, Reason: s.Name + ": " + k.Reason})
			}
		}
	}
	harm := func(k record.Cap) string {
		if k.Letter == measure.Ungraded {
			return ""
		}
		return k.Letter
	}
	slices.SortStableFunc(all, func(a, b record.Cap) int { return -cmp.Compare(harm(a), harm(b)) })
	if len(all) > n {
		rest := len(all) - n + 1
		all = append(all[:n-1], record.Cap{Letter: all[n-1].Letter, Reason: fmt.Sprintf("%s (and %d more caps, listed with their scenarios)", all[n-1].Reason, rest-1)})
	}
	return all
}

func capName(k record.Cap) string {
	if k.Letter == measure.Ungraded {
		return "ungraded"
	}
	return "at most " + k.Letter
}
