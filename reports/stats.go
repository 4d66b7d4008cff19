package reports

import "math"

// lossBound is the largest loss probability a run that n runs without a loss
// leaves plausible at 95 %.
func lossBound(n int) float64 { return 1 - math.Pow(.05, 1/float64(n)) }

// Gate is the comparison with a baseline.
type Gate struct {
	Verdict  string   `json:"verdict"`
	Reason   string   `json:"reason"`
	Sentence string   `json:"sentence"`
	Changes  []Change `json:"changes"`
}

// The verdicts of a gate.
const (
	GatePass = "pass"
	GateFail = "regression"
)

// Change is one objective of one scenario, then and now.
type Change struct {
	Scenario string `json:"scenario"`
}
