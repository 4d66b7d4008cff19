// Package netem impairs links with the kernel's own network emulator, where
// the kernel has it. It takes the same [impair.Link] and [impair.Impairment]
// as the packet queue, so that a ladder may choose either.
//
//	receiver's network namespace
//	┌─────────────────────────────────────────────────────────────────┐
//	│ eth0 ingress ─ flower(from, port) ─ mirred ─▶ hdrl1a2b (ifb)    │
//	│        │no match                              root: netem       │
//	│        ▼                                           │ later      │
//	│      stack ◀──────────────────── eth0 ingress ◀────┘            │
//	└─────────────────────────────────────────────────────────────────┘
//
// netem works where packets leave; an ifb device turns the arriving ones into
// leaving ones and hands them back. So all of it is inside the receiver's
// namespace: the host's own devices are never touched, and everything is gone
// with the container.
//
// State lives in the kernel alone: a link's device is named by the link, so
// another process can change or remove it after a crash. There is nothing that
// ends it with its author, hence the undo record of the agent.
//
// Differences from package impair, by design of netem: loss, duplication and
// corruption count super-packets where segmentation offload makes them; there
// is no InOrder; a Pareto or normal draw is cut at four deviations; packets
// still held when a link is healed are waited for, at most [DrainTime].
//
// Source: tc-netem(8), tc-flower(8), linux/pkt_sched.h.
package netem
