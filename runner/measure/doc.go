// Package measure turns the log of a run into figures and a verdict. It is
// pure: the same log gives the same result, byte for byte, today and on
// another machine, so an old run can be judged again without being run again.
//
//	good   ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁      ▁▁▁ ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
//	bad                     ▇▇▇▇▇▇   ▇
//	       ──────────────┬──┬─┬──┬─┬──┬─────────────┬────────┬──────▶ time
//	                    t0 t1 t2 t3 t4 t5           t6       t7
//	                     │◀─detect▶│failover│reconnect│settle│
//	                     │◀────────────── rto ──────▶│
//
// Load is open-loop, so everything is measured from the time an operation was
// due, not from when a late generator came round to sending it. An operation
// is good when it took effect (or was answered in a declared degraded way) and
// End-Intended is within the SLO's latency. Operations are those of judged
// lanes (neither control nor evidence) that were due between the beginning of
// phase baseline and the end of phase recovery.
//
// Three decisions lean to the pessimistic side. t0 is the *Before* of the
// fault's proof: the last time it was seen not to be effective, so rto is
// never understated. rto ends at t5, the start of the first stable window,
// never at the first success, which hides flapping. What did not recover is
// right-censored: its lower bound is kept and marked, never dropped.
//
// Missing data is never a pass: an objective without samples is vacuous, one
// whose fault is unproven or whose control lane is noisy is inconclusive, and
// one with a name nobody knows is a harness error.
//
// The suite-level half of the package (score.go, bootstrap.go, rank.go,
// gate.go) works on the results of many runs: letters, caps, intervals and
// the regression gate.
package measure
