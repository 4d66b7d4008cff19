package runner

import (
	"fmt"
	"strings"

	"github.com/hadrill/hadrill/faults"
)

// adHocName is appended to the name of a scenario whose faults were replaced,
// so that its runs are never compared with the scenario's own.
const adHocName = "/ad-hoc"

// AdHoc returns the scenario with other faults. Its promises stand, but what
// was expected of a twin, or of the exact outages of a calibration, said
// something of the faults that were replaced: it is dropped.
func (s Scenario) AdHoc(schedule faults.Schedule) Scenario {
	s.adHoc = s.Name
	s.Name += adHocName
	s.Doc = fmt.Sprintf("Ad hoc: %s under %q instead of its own faults.", s.adHoc, schedule)
	s.Faults = schedule
	s.TwinOf, s.Expect, s.KnownOutages = "", nil, nil
	return s
}

// Arguments is how the command line names the scenario, quoted for a shell.
func (s Scenario) Arguments() string {
	if s.adHoc == "" {
		return s.Name
	}
	return "--faults '" + strings.ReplaceAll(s.Faults.String(), "'", `'\''`) + "' " + s.adHoc
}

// drawn validates the scenario and draws the steps that are left to a seed.
func (s Scenario) drawn(seed uint64) (Scenario, error) {
	if err := s.Validate(); err != nil {
		return s, err
	}
	s.Faults = s.Faults.Drawn(seed)
	return s, s.Validate()
}
