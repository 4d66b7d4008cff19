package record

import (
	"encoding/json"
	"fmt"
)

// Verdict is the judgement on an objective, a run or a suite. The order is
// from best to worst, so the worst of several is their maximum.
type Verdict uint8

// The verdicts. The zero value is not a verdict: no verdict is ever the
// default of missing data.
const (
	VerdictUnset Verdict = iota
	Pass
	Vacuous      // nothing was exercised
	Inconclusive // fault unproven, control lane noisy, checker out of budget
	Failed
	HarnessError // the toolkit failed
)

var verdictNames = [...]string{"unset", "pass", "vacuous", "inconclusive", "fail", "harness-error"}

func (v Verdict) String() string { return verdictNames[min(int(v), len(verdictNames)-1)] }

// MarshalJSON encodes a verdict by its name.
func (v Verdict) MarshalJSON() ([]byte, error) { return json.Marshal(v.String()) }

// UnmarshalJSON decodes a verdict's name; an unknown name is an error.
func (v *Verdict) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	for i, n := range verdictNames {
		if n == s {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("verdict %q is none of %v", s, verdictNames[1:])
}

// Worst returns the worst of the given verdicts, VerdictUnset for none.
func Worst(vs ...Verdict) Verdict {
	w := VerdictUnset
	for _, v := range vs {
		w = max(w, v)
	}
	return w
}
