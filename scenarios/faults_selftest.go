package scenarios

import (
	"cmp"
	"slices"
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// faultsSelftest is row faults/selftest: each fault of the catalogue is
// injected, proven, healed and proven, and somebody else must have seen it. A
// witness in a container of its own watches the node that suffers; clients ask
// the witness whether all is well. The promises are turned round: the damage
// must be *at least* so bad, and it must be over when it was healed.
//
//	clients ──▶ witness ◀── packets, clocks ──▶ subject ◀── the fault
//	  every 5 ms: well? 200, or 502 and what was seen
//
// So a verdict rests on two independent words: the injector's proof (without
// it a run is inconclusive) and the witness's (without it a run fails). The
// twins show that the second counts: their witness watches a node that nothing
// is done to, or sits at the end of a link that still hears.
func faultsSelftest() []runner.Scenario {
	var all []runner.Scenario
	for _, s := range []selftest{
		stopped(faults.Kill, "a killed node answers nobody until it is started again"),
		stopped(faults.Stop, "a node that was asked to end answers nobody until it is started again"),
		stopped(faults.Pause, "a frozen node answers nobody until it is thawed"),
		stopped(cutAndKilled, "a node without power answers nobody until it is started again"),
	} {
		all = append(all, s.scenario())
	}
	for _, s := range []selftest{
		{
			fault: faults.Restart(subject()), doc: "a restarted node is away for as long as it takes to start, and no longer",
			route: "/tcp", promises: runner.Promises{outageAtLeast(250 * time.Millisecond), overBy(4500 * time.Millisecond)}, after: startAfter,
		},
		{
			fault: faults.Blink(subject(), 500*time.Millisecond), doc: "a node that blinks for 500 ms is away for that long, and thaws by itself",
			route: "/tcp", promises: runner.Promises{outageAtLeast(490 * time.Millisecond), overBy(time.Second)},
		},
		{
			fault: faults.Signal(subject(), "TERM"), doc: "a node that is told by a signal to end answers nobody until it is started again",
			route: "/tcp", lasting: true, promises: started(), after: startAfter,
		},
	} {
		all = append(all, s.scenario())
	}
	for _, s := range linkSelftests() {
		all = append(all, s.scenario())
	}
	for _, s := range clockSelftests() {
		all = append(all, s.scenario())
	}
	for _, s := range slices.Concat(resourceSelftests(), connectionSelftests(), diskSelftests()) {
		all = append(all, s.scenario())
	}
	all = append(all, lossSelftests()...)
	return append(all, selftestTwins(all)...)
}

// selftestRow is the row's name.
const selftestRow = "faults/selftest"

// The timeline of a selftest: calm, the fault, calm again.
const (
	selftestAt    = time.Second
	selftestFor   = 2 * time.Second
	selftestAfter = 2 * time.Second
	// selftestLate is when an answer is late: less than any delay that is
	// injected, more than a busy machine adds and than the resolution, up to
	// which noise is not told from an outage.
	selftestLate = 280 * time.Millisecond
	startAfter   = 5 * time.Second // when a node has to be started: a busy engine takes 3 s
)

// selftest is one fault with what a witness must see of it.
type selftest struct {
	fault    faults.Fault
	doc      string
	route    string        // what the witness is asked
	asked    string        // whom clients ask; "" is the witness
	disk     bool          // the subject has a disk of its own
	lasting  bool          // healed under load; otherwise it is over by itself
	lasts    time.Duration // default selftestFor
	after    time.Duration // of calm; default selftestAfter
	rate     float64       // questions a second; default 200
	late     time.Duration // an answer is not good after; default selftestLate
	promises runner.Promises
}

// stopped is a node that is away for as long as the fault lasts.
func stopped(fault func(harness.Selector) faults.Fault, doc string) selftest {
	s := selftest{fault: fault(subject()), doc: doc, route: "/tcp", lasting: true, promises: gone()}
	if s.fault.Spec().Fault != "pause" {
		s.promises, s.after = started(), startAfter
	}
	return s
}

func cutAndKilled(aim harness.Selector) faults.Fault { return faults.PowerLoss(aim) }

// scenario declares the selftest under its fault's own name.
func (t selftest) scenario() runner.Scenario {
	t.lasts, t.after = cmp.Or(t.lasts, selftestFor), cmp.Or(t.after, selftestAfter)
	step := faults.At(selftestAt, t.fault)
	if t.lasting {
		step = step.Lasting(t.lasts)
	}
	return runner.Scenario{
		Name:    selftestRow + "/" + t.fault.Spec().Fault,
		Row:     selftestRow,
		Doc:     "The instrument: " + t.doc + ".",
		Profile: runner.Nightly,
		System:  components.Pair{Asked: t.asked, Disk: t.disk},
		Load: load.HTTP{Rate: cmp.Or(t.rate, 200), Path: t.route, Connections: []string{load.Pooled},
			Clients: 250, Timeout: 1200 * time.Millisecond},
		Faults:     faults.Schedule{step},
		SLO:        record.SLO{Latency: cmp.Or(t.late, selftestLate), Success: 0.99, Stable: 500 * time.Millisecond},
		Duration:   selftestAt + t.lasts + t.after,
		Promises:   t.promises,
		Resolution: 250 * time.Millisecond,
		Weight:     runner.Light,
	}
}

// subject is whom the faults are aimed at.
func subject() harness.Selector { return harness.Named(components.SubjectNode) }

// gone promises that nothing was well for nearly as long as the fault lasted
// (its injection takes some of the time), and that all was well soon after.
func gone() runner.Promises {
	return runner.Promises{outageAtLeast(selftestFor - 150*time.Millisecond), overBy(selftestFor + 1500*time.Millisecond)}
}

// started is gone, of a node that has to be started again.
func started() runner.Promises {
	return runner.Promises{gone()[0], overBy(selftestFor + 4500*time.Millisecond)}
}

// outageAtLeast demands damage: no good answer for at least d.
func outageAtLeast(d time.Duration) record.Objective {
	return record.Objective{Name: "outage", Kind: record.KindAvailability, Unit: "s", Higher: true, Target: d.Seconds(), Limit: d.Seconds()}
}

// worstWindowAtMost demands damage: in some window of that length at most this
// share of the answers was good.
func worstWindowAtMost(window time.Duration, share float64) record.Objective {
	return record.Objective{Name: "availability.worst_window." + window.String(), Kind: record.KindAvailability, Unit: "ratio", Target: share, Limit: share}
}

// overBy demands healing: all is well, and stays so, by then.
func overBy(limit time.Duration) record.Objective { return runner.RTO(limit*9/10, limit) }

// selftestTwins are runs in which the damage is done and proven, but not where
// the witness looks.
func selftestTwins(safe []runner.Scenario) []runner.Scenario {
	named := map[string]runner.Scenario{}
	for _, s := range safe {
		named[s.Name] = s
	}
	stranger := func(s *runner.Scenario) { s.System = components.Pair{Watched: components.BystanderNode} }
	of := func(fault string) runner.Scenario { return named[selftestRow+"/"+fault] }
	return []runner.Scenario{
		twin(of("partition"), "partition-of-a-stranger",
			"Twin: the node that is cut off is not the one that is watched, so the partition has no effect that anybody sees.",
			runner.FailsOn("outage"), stranger),
		twin(of("delay"), "delay-of-a-stranger",
			"Twin: packets to another node are delayed, so the delay has no effect that anybody sees.",
			runner.FailsOn("outage"), stranger),
		twin(of("clock-jump"), "clock-jump-of-a-stranger",
			"Twin: another node's clock jumps, so nobody is shown a wrong time.",
			runner.FailsOn("outage"), stranger),
		twin(of("disk-error"), "disk-error-of-a-stranger",
			"Twin: the node whose disk fails is not the one that is watched, whose disk is sound.",
			runner.FailsOn("outage"), func(s *runner.Scenario) {
				s.System = components.Pair{Watched: components.BystanderNode, Disk: true}
			}),
		twin(of("one-way"), "one-way-from-the-other-end",
			"Twin: the cut is looked at from the end that still hears: it is one-way, so nothing is missing there.",
			runner.FailsOn("outage"), func(s *runner.Scenario) { s.System = components.Pair{Asked: components.SubjectNode} }),
	}
}
