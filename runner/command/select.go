package command

import (
	"path"
	"strings"

	"github.com/hadrill/hadrill/runner"
)

// choose returns the scenarios that the patterns name, in declared order. A
// pattern is a name, a prefix that ends at a '/', or a glob as path.Match has
// it. A pattern that matches nothing is bad usage: nothing matched is never
// success.
func (a *app) choose(patterns []string, profile runner.Profile) ([]runner.Scenario, error) {
	if len(patterns) == 0 {
		var chosen []runner.Scenario
		for _, s := range a.scenarios {
			if profile.Includes(s.Profile) {
				chosen = append(chosen, s)
			}
		}
		return chosen, nil
	}
	picked := make([]bool, len(a.scenarios))
	for _, p := range patterns {
		found := false
		for i, s := range a.scenarios {
			match, err := path.Match(p, s.Name)
			if err != nil {
				return nil, usage("scenario pattern %q: %v", p, err)
			}
			if match || strings.HasPrefix(s.Name, strings.TrimSuffix(p, "/")+"/") {
				picked[i], found = true, true
			}
		}
		if !found {
			return nil, usage("unknown scenario %q%s; `hadrill list` names all %d", p, a.suggest(p), len(a.scenarios))
		}
	}
	var chosen []runner.Scenario
	for i, ok := range picked {
		if ok {
			chosen = append(chosen, a.scenarios[i])
		}
	}
	return chosen, nil
}

// suggest names the scenario closest to a mistyped one, if any is close.
func (a *app) suggest(name string) string {
	best, distance := "", 1+len(name)/3
	for _, s := range a.scenarios {
		if d := editDistance(name, s.Name); d < distance {
			best, distance = s.Name, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// editDistance is Levenshtein's, in one row.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(row[j]+1, row[j-1]+1, cost)
		}
	}
	return row[len(b)]
}
