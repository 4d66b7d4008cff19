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
	quick := knownOutage("known-outage", "An echo server is away for exactly 50 ms, 250 ms and 1 s: the measured outages must agree with the true ones.",
		50*time.Millisecond, 250*time.Millisecond, time.Second)
	long := knownOutage("known-outage-long", "As known-outage, with 5 s as well.",
		50*time.Millisecond, 250*time.Millisecond, time.Second, 5*time.Second)
	long.Profile = runner.Nightly
	return []runner.Scenario{quick, long}
}

// knownOutage is the calibration with the given outages, one after the other
// with a good second between them.
func knownOutage(name, doc string, known ...time.Duration) runner.Scenario {
	s := runner.Scenario{
		Name:         "calibration/" + name,
		Row:          "calibration",
		Doc:          doc,
		Profile:      runner.Quick,
		System:       components.Echo{},
		Load:         load.Probe{Rate: 1000, Timeout: 10 * time.Second},
		SLO:          record.SLO{Latency: 20 * time.Millisecond, Success: 0.99, Stable: 500 * time.Millisecond},
		Promises:     runner.Promises{runner.CalibrationError(2*time.Millisecond, 5*time.Millisecond)},
		Resolution:   20 * time.Millisecond,
		Weight:       runner.Exclusive,
		KnownOutages: known,
	}
	at := time.Second
	for _, d := range known {
		s.Faults = append(s.Faults, faults.At(at, faults.Blink(harness.Named("echo"), d)))
		at += d + time.Second
	}
	s.Duration = at + 500*time.Millisecond
	return s
}
