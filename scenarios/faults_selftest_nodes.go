package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
)

// resourceSelftests take processor, memory, bandwidth or life from the subject.
func resourceSelftests() []selftest {
	const looping = 4 * time.Second
	return []selftest{
		stopped(faults.OOMKill, "a node that the kernel killed for its memory answers nobody until it is started again"),
		{
			// The engine starts a node in 0.3 s when it has nothing else to do,
			// and who waited as long as that would see little of it.
			fault: faults.CrashLoop(subject(), 300*time.Millisecond, 3), doc: "a node in a crash loop is away again and again, and back in the end",
			route: "/tcp", lasting: true, lasts: looping, late: 100 * time.Millisecond,
			promises: runner.Promises{outageAtLeast(250 * time.Millisecond), worstWindowAtMost(time.Second, 0.8), overBy(looping + 4*time.Second)},
			after:    startAfter,
		},
		{
			fault: faults.MemoryPressure(subject(), 16<<20), doc: "the node finds its own memory limit drawn tight",
			route: "/room", lasting: true, promises: gone(),
		},
		{
			// A piece of work takes 2 ms of a processor with instructions to
			// digest, and a twentieth of it is 1 ms of every 20: four times too
			// slow for 100 a second. Now and then one answer is in time and splits
			// the outage, so it is a second of which nearly all is late.
			fault: faults.SlowCPU(subject(), 0.05), doc: "a node with a twentieth of a processor does not keep up with work that it did before",
			route: "/work", rate: 100, lasting: true,
			promises: runner.Promises{worstWindowAtMost(time.Second, 0.25), overBy(selftestFor + 1500*time.Millisecond)},
		},
		{
			// 20 times 64 KiB a second are 1.3 MB: more than three times the rate.
			fault: faults.Bandwidth(subject(), 400_000, 0), doc: "a node with a narrow network does not get its answers out",
			route: "/bulk", rate: 20, lasting: true,
			promises: runner.Promises{outageAtLeast(time.Second), overBy(selftestFor + 1500*time.Millisecond)},
		},
	}
}

// connectionSelftests damage the beginning, the life or the end of
// connections, and the look-up of names.
func connectionSelftests() []selftest {
	witness := faults.Side{Nodes: harness.Named(components.WitnessNode)}
	link := faults.Link{To: subject(), From: witness}
	kept := faults.Link{To: subject(), From: witness, Proto: impair.TCP, Port: components.DefaultPort + 1}
	return []selftest{
		{
			fault: faults.Loss(link, 0.5), doc: "half of the datagrams are lost, each for itself",
			route: "/datagrams", lasting: true, promises: partly(0.4, 0.1), // 0.25 of pairs are whole
		},
		{
			fault: faults.Blackhole(link), doc: "nobody gets through to a port whose packets are lost",
			route: "/tcp", lasting: true, promises: gone(),
		},
		{
			fault: faults.DropConnects(kept), doc: "connections cannot be made: attempts are met with silence",
			route: "/connect", lasting: true, promises: append(gone(), medianDuring(500*time.Millisecond)),
		},
		{
			fault: faults.RefuseConnects(kept), doc: "connections cannot be made: attempts are refused at once",
			route: "/connect", lasting: true, promises: append(gone(), tailAtMost(atOnce)),
		},
		{
			fault: faults.SlowClose(kept), doc: "the node does not hear that its peers have hung up",
			route: "/close", lasting: true, promises: gone(),
		},
		{
			fault: faults.ResetConnections(kept), doc: "every established connection is lost once, and new ones can be made at once",
			route: "/kept", promises: runner.Promises{errorsAtLeast(40), overBy(1500 * time.Millisecond)},
		},
		{
			fault: faults.HalfOpen{Keeps: witness.Nodes, Loses: subject()}, doc: "the end that keeps its connections finds each of them dead when it sends",
			route: "/kept", promises: runner.Promises{errorsAtLeast(40), overBy(1500 * time.Millisecond)},
		},
		{
			fault: faults.DNSTimeout(subject()), doc: "look-ups of the node are not answered",
			route: "/name", asked: components.SubjectNode, lasting: true, promises: append(gone(), medianDuring(500*time.Millisecond)),
		},
		{
			fault: faults.DNSNoSuchName(subject()), doc: "look-ups of the node are answered at once: no such name",
			route: "/name", asked: components.SubjectNode, lasting: true, promises: append(gone(), tailAtMost(atOnce)),
		},
		{
			fault: faults.DNSFailure(subject()), doc: "look-ups of the node are answered: server failure",
			route: "/name", asked: components.SubjectNode, lasting: true, promises: gone(),
		},
	}
}

// errorsAtLeast demands damage: so many answers were not good.
func errorsAtLeast(n float64) record.Objective {
	o := runner.NoErrors()
	o.Higher, o.Target, o.Limit = true, n, n
	return o
}
