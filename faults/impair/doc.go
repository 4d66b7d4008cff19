// Package impair makes a link slow, jittery, lossy, doubling, reordering or
// corrupting on a kernel that has no netem, by holding its packets in a
// netfilter packet queue on the receiver's side.
//
//	sender's namespace      receiver's network namespace
//	                      ┌──────────────────────────────────────────────────┐
//	 app ── stack ── veth ┼─ PREROUTING ─ rule(from, port) ──▶ packet queue  │
//	                      │                    │no match        │ copy of head│
//	                      │                    ▼                ▼             │
//	                      │                  stack ◀─ verdict ─ one thread:   │
//	                      │                            recvmmsg → fate → heap │
//	                      │                            → ppoll → verdicts     │
//	                      └──────────────────────────────────────────────────┘
//
// Why the receiver. A packet lost in the sender's own namespace is reported to
// the local TCP, which sends it again at once; a packet held there counts
// against the socket's own queue limit, which collapses TCP to a few Mbit/s.
// Held at the receiver's PREROUTING it is a packet on the wire to everyone.
//
// Why one thread. All verdicts of a link come from one locked operating system
// thread: packets are read up to 64 at a time, their fate is drawn, the held
// ones wait in a heap by due time, ppoll(2) sleeps until the earliest with
// nanosecond resolution, and all verdicts that are due leave in one send. Go's
// own timers were late by milliseconds at the 99th percentile on a busy
// machine; ppoll by a quarter of one.
//
// What outlives the author: nothing. The rules are in a table that the kernel
// deletes with the socket that made it (owner flag), the rule says bypass, so
// that packets pass when nobody listens, and it applies only while a set
// element with a time-out of [LeaseTime] lives, which the tool renews as long
// as its loop makes progress. So a killed tool loses the packets it held and
// a stopped one impairs for LeaseTime at the most.
//
// Packets and super-packets. Segmentation offload hands the receiver up to
// 64 KiB as one packet. Delay and jitter keep them whole, which is what gives
// gigabits; loss, duplication and corruption are drawn for each packet as it
// would be on a wire, so the queue then asks the kernel to cut them first.
//
// The words of an [Impairment] are those of tc-netem(8), so that a ladder may
// choose either; see package netem.
package impair
