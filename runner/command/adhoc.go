package command

import (
	"errors"
	"fmt"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/runner"
)

const faultsHelp = `faults instead of the scenario's own, such as 'at 2s kill primary; after 1 +500ms pause redis-2' or 'on owner for 1s pause primary'; ` + "`hadrill faults` lists how each is written"

// adHoc replaces the faults of the chosen scenarios by those of a text, if one
// is given. Where the text is none, a caret shows the place.
func (a *app) adHoc(chosen []runner.Scenario, text string) ([]runner.Scenario, error) {
	if text == "" {
		return chosen, nil
	}
	schedule, err := faults.Parse(text)
	if err != nil {
		var syntax *faults.SyntaxError
		if errors.As(err, &syntax) {
			fmt.Fprintln(a.err, syntax.Caret())
		}
		return nil, usage("--faults: %v", err)
	}
	replaced := make([]runner.Scenario, len(chosen))
	for i, s := range chosen {
		replaced[i] = s.AdHoc(schedule)
		if err := replaced[i].Validate(); err != nil {
			return nil, usage("--faults: %v", err)
		}
	}
	return replaced, nil
}

// possible is a step's fault, or each that a draw may draw.
func possible(f faults.Fault) []faults.Fault {
	d, ok := f.(faults.Draw)
	if !ok {
		return []faults.Fault{f}
	}
	var all []faults.Fault
	for _, m := range d.Menu {
		all = append(all, m.Fault)
	}
	return all
}
