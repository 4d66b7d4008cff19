package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// calibration is the instrument measuring itself: an echo server is taken away
// for an exactly known time, by the agent's own clock, and the outage that the
// load measures is compared with it. No other scenario may claim anything
// finer than the error found here.
func calibration() []runner.Scenario {
	known := []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second}
	at := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}
	s := runner.Scenario{
		Name:         "calibration/known-outage",
		Row:          "calibration",
		Doc:          "An echo server is away for exactly 50 ms, 250 ms and 1 s: the measured outages must agree with the true ones.",
		Profile:      runner.Quick,
		System:       components.Echo{},
		Load:         load.Probe{Rate: 1000},
		Duration:     5500 * time.Millisecond,
		SLO:          record.SLO{Latency: 20 * time.Millisecond, Success: 0.99, Stable: 500 * time.Millisecond},
		Promises:     runner.Promises{runner.CalibrationError(2*time.Millisecond, 5*time.Millisecond)},
		Resolution:   20 * time.Millisecond,
		KnownOutages: known,
	}
	for i, d := range known {
		s.Faults = append(s.Faults, faults.At(at[i], faults.Blink(harness.Named("echo"), d)))
	}
	return []runner.Scenario{s}
}
