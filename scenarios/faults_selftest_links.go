package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/split"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
)

// linkDelay is what packets are delayed by: beyond the SLO, so that a delayed
// answer is not good.
const linkDelay = 320 * time.Millisecond

// linkSelftests damage the packets from the witness to the subject. What TCP
// would repair is looked at with datagrams.
func linkSelftests() []selftest {
	witness := faults.Side{Nodes: harness.Named(components.WitnessNode)}
	link := faults.Link{To: subject(), From: witness}
	return []selftest{
		{
			fault: faults.Partition{Left: faults.Side{Nodes: subject()}}, doc: "nothing passes between the two sides of a partition until it is healed",
			route: "/tcp", lasting: true, promises: gone(),
		},
		{
			fault: faults.Split(harness.Named(components.WitnessNode, components.SubjectNode), split.Halves()),
			doc:   "two nodes split in halves hear nothing of each other until it is healed, while clients reach both",
			route: "/tcp", lasting: true, promises: gone(),
		},
		{
			fault: faults.OneWay{From: faults.Side{Nodes: subject()}}, doc: "nothing is heard from a node whose packets are lost on their way out",
			route: "/heard", lasting: true,
			promises: runner.Promises{outageAtLeast(selftestFor - 350*time.Millisecond), overBy(selftestFor + time.Second)},
		},
		{
			fault: faults.Delay(link, linkDelay), doc: "every answer is later by the delay, and by not much more",
			route: "/tcp", lasting: true,
			// What comes over a new connection goes the way twice.
			promises: append(gone(), medianDuring(linkDelay), tailAtMost(2*linkDelay+150*time.Millisecond)),
		},
		{
			fault: faults.Jitter(link, linkDelay+50*time.Millisecond, 25*time.Millisecond, impair.Normal),
			doc:   "answers are late by times of their own, one in a hundred by two deviations more than half of them",
			route: "/tcp", lasting: true,
			promises: append(gone(), medianDuring(linkDelay+40*time.Millisecond), tailAtLeast(linkDelay+90*time.Millisecond)),
		},
		{
			fault: faults.Impair(link, impair.Impairment{Delay: 50 * time.Millisecond, Loss: 0.3}),
			doc:   "packets are late and some are lost, both at once",
			route: "/datagrams", lasting: true,
			// 0.7 of single datagrams arrive, 0.49 of pairs.
			promises: append(partly(0.65, 0.2), medianDuring(50*time.Millisecond)),
		},
		{
			fault: faults.Duplicate(link, 0.5), doc: "half of the datagrams arrive twice",
			route: "/datagrams", lasting: true, promises: partly(0.4, 0.1), // 0.25 of pairs have no copy
		},
		{
			fault: faults.Reorder(link, 0.5, 20*time.Millisecond), doc: "some datagrams overtake those sent before them",
			route: "/datagrams", lasting: true, promises: partly(0.85, 0.6), // of 0.25 of pairs only the first waits
		},
		{
			fault: faults.Corrupt(link, 0.5), doc: "half of the datagrams are spoilt, and none of them is taken for sound",
			route: "/datagrams", lasting: true, promises: partly(0.4, 0.1), // 0.25 of pairs are sound
		},
		{
			fault: faults.BurstLoss(link, impair.Burst{EnterBad: 0.04, LeaveBad: 0.02, LossBad: 1}),
			doc:   "datagrams are lost in bursts: for a while all, then none",
			route: "/datagrams", lasting: true, lasts: 3 * time.Second, rate: 400,
			// Bursts of 50 packets on average, 25 packets of peace between them. Some
			// 30 bursts; that none of them takes 100 ms, 80 packets, is one in 2000.
			promises: runner.Promises{worstWindowAtMost(100*time.Millisecond, 0.05), runner.Availability(0.55, 0.55), overBy(4 * time.Second)},
		},
	}
}

// partly promises that in the worst second of the fault between least and most
// of the answers were good, and that all was well soon after.
func partly(most, least float64) runner.Promises {
	return runner.Promises{worstWindowAtMost(time.Second, most), someWell(least), overBy(selftestFor + time.Second)}
}

// someWell promises that damage to a part of the packets left the others
// alone. A run is good before and after the fault, so the whole run's share is
// worth the fault's share alone.
func someWell(share float64) record.Objective {
	whole := selftestAt + selftestFor + selftestAfter
	limit := 1 - (1-share)*selftestFor.Seconds()/whole.Seconds()
	return runner.Availability(limit, limit)
}

// medianDuring demands that half of the answers under fault took at least d.
func medianDuring(d time.Duration) record.Objective {
	return record.Objective{Name: "latency.p50.during", Kind: record.KindLatency, Unit: "s", Higher: true, Target: d.Seconds(), Limit: d.Seconds()}
}

// atOnce is how late an answer may be that was given at once, on a busy machine:
// well below the 800 ms after which a witness gives up.
const atOnce = 500 * time.Millisecond

// tailAtMost bounds what a fault adds to the slowest answers.
func tailAtMost(d time.Duration) record.Objective {
	return record.Objective{Name: "latency.p99.during", Kind: record.KindLatency, Unit: "s", Target: d.Seconds(), Limit: d.Seconds()}
}

// tailAtLeast demands that one answer in a hundred took at least d.
func tailAtLeast(d time.Duration) record.Objective {
	o := tailAtMost(d)
	o.Higher = true
	return o
}
