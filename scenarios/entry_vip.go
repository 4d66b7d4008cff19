package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/vip"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// entryVIP is row entry/vip: two entries of nginx and keepalived share one
// address. The address must go where somebody serves, within about three of the
// adverts that the owner sends each 0.1 s, and it must never be in two places.
//
// Clients come over kept connections and over fresh ones: what was kept with
// the dead owner is lost and made anew, which is each client's own business.
func entryVIP() []runner.Scenario {
	system := vip.Pair{Proxy: vip.Nginx, CheckInterval: 200 * time.Millisecond}
	owner := harness.Primary
	safe := runner.Scenario{
		Row:        "entry/vip",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.HTTP{Rate: 300, Path: "/"},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
		Weight:     runner.Light,
		Duration:   7 * time.Second,
	}

	null := safe
	null.Name = "entry/vip/null"
	null.Doc = "No fault: one entry owns the address all the time, and every request is answered."
	null.Duration = 4 * time.Second
	null.Promises = runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.NoFindings(check.SingleOwner)}

	takeover := runner.Promises{
		runner.RTO(400*time.Millisecond, time.Second),
		runner.Availability(0.93, 0.85),
		runner.NoFindings(check.SingleOwner),
		runner.OwnerGap(400*time.Millisecond, time.Second),
	}

	kill := safe
	kill.Name = "entry/vip/kill"
	kill.Profile = runner.Quick
	kill.Doc = "The owner dies with all that runs on it: after three silent adverts the other entry takes the address."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(owner))}
	kill.Promises = takeover

	comeback := kill
	comeback.Profile = runner.Nightly
	comeback.Name = "entry/vip/kill-return"
	comeback.Doc = "The owner dies and comes back: the address stays where it went, so that the return costs nothing."
	comeback.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(owner)).Lasting(4 * time.Second)}
	comeback.Duration = 11 * time.Second

	stop := kill
	stop.Profile = runner.Nightly
	stop.Name = "entry/vip/stop"
	stop.Doc = "The owner is taken out of service in good order: it gives the address up with a last advert, and nobody waits for silence."
	stop.Faults = faults.Schedule{faults.At(2*time.Second, faults.Stop(owner))}

	dead := kill
	dead.Profile = runner.Nightly
	dead.Name = "entry/vip/nginx-death"
	dead.Doc = "nginx dies on the owner while keepalived lives: the check finds out, the node gives the address up, and when nginx is back nothing moves."
	dead.Faults = faults.Schedule{
		faults.At(2*time.Second, faults.Signal(owner, "USR1")).Named("death"),
		faults.At(6*time.Second, faults.Signal(harness.Replica, "USR2")), // whoever is not the owner any more
	}
	dead.Duration = 10 * time.Second

	unchecked := twin(dead, "nginx-death-no-check",
		"Twin: no track_script. Adverts speak for keepalived only: the address stays where nobody serves.",
		runner.FailsOn("rto", "availability.requests"),
		func(s *runner.Scenario) {
			careless := system
			careless.CheckInterval = 0
			s.System = careless
		})
	unchecked.Profile = runner.Quick

	// A frozen owner still has the address in its kernel, and cannot say so.
	pause := kill
	pause.Profile = runner.Nightly
	pause.Name = "entry/vip/pause"
	pause.Doc = "The owner freezes and thaws after the other took over: it hears the other's adverts, and one of the two gives way."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(owner)).Lasting(4 * time.Second)}
	pause.Duration = 11 * time.Second

	// Only the way between the two is cut: both are well, and everybody else
	// sees both. Two cannot decide whose the address is.
	cut := safe
	cut.Name = "entry/vip/cut"
	cut.Doc = "The way between the two entries is cut, and nothing else: only who holds the arbiter's lease owns the address, so it stays where it is."
	arbitrated := system
	arbitrated.Arbiter = true
	cut.System = arbitrated
	cut.Faults = faults.Schedule{faults.At(2*time.Second, faults.Partition{
		Left: faults.Side{Nodes: harness.Named("entry-1")}, Right: faults.Side{Nodes: harness.Named("entry-2")},
	}).Lasting(4 * time.Second)}
	cut.Duration = 10 * time.Second
	cut.Promises = runner.Promises{
		runner.NoFindings(check.SingleOwner),
		runner.Availability(1, 0.99),
		runner.RTO(200*time.Millisecond, time.Second),
	}

	alone := twin(cut, "cut-no-arbiter",
		"Twin: no arbiter. Each entry hears nothing from the other and takes the address: two owners for as long as the cut lasts.",
		runner.FailsOn("check."+check.SingleOwner),
		func(s *runner.Scenario) {
			s.System = system
		})

	leased := kill
	leased.Profile = runner.Nightly
	leased.Name = "entry/vip/kill-arbiter"
	leased.Doc = "The owner dies under an arbiter: its lease must run out before the other may have the address, which is the price of never having two owners."
	leased.System = arbitrated
	leased.Promises = runner.Promises{
		runner.RTO(1200*time.Millisecond, 2500*time.Millisecond),
		runner.Availability(0.85, 0.7),
		runner.NoFindings(check.SingleOwner),
		runner.OwnerGap(1200*time.Millisecond, 2500*time.Millisecond),
	}

	return []runner.Scenario{null, kill, comeback, stop, dead, unchecked, pause, cut, alone, leased}
}
