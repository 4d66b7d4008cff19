package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/runner"
)

// clockSelftests move the subject's wall clock; the witness compares it with
// its own, and is content with a difference of up to 20 ms.
func clockSelftests() []selftest {
	const slice = 400 * time.Millisecond
	return []selftest{
		{
			fault: faults.ClockJump(subject(), -time.Hour), doc: "the time that the node shows is an hour behind until it is healed",
			route: "/clock", lasting: true, promises: gone(),
		},
		{
			// 20 % fast: wrong by more than 20 ms after 100 ms.
			fault: faults.ClockDrift(subject(), 200_000), doc: "the time that the node shows runs away, and is right at once when it is healed",
			route: "/clock", lasting: true,
			promises: runner.Promises{outageAtLeast(selftestFor - 250*time.Millisecond), overBy(selftestFor + time.Second)},
		},
		{
			fault: faults.ClockFreeze(subject()), doc: "the time that the node shows stands still while the node answers",
			route: "/clock", lasting: true,
			promises: append(gone(), tailAtMost(atOnce)),
		},
		{
			fault: faults.ClockStrobe(subject(), time.Second, slice), doc: "the time that the node shows is wrong, then right, then wrong again",
			route: "/clock", lasting: true,
			// Wrong in three slices of five: at most 60 % of the fault's time.
			promises: runner.Promises{outageAtLeast(slice - 50*time.Millisecond), someWell(0.3), overBy(selftestFor + time.Second)},
		},
	}
}
