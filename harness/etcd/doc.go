// Package etcd starts an etcd cluster and reads each member's own word on who
// leads it.
//
//	etcd-1 ◀──Raft──▶ etcd-2 ◀──Raft──▶ etcd-3        each with a log of its own,
//	  ▲                                               synced to disk before it answers
//	  └── clients: one member each; on a failure the next one
//
// A write is acknowledged once a majority has it on disk, and a read is
// answered only after the leader made sure that it still leads (unless the
// client asks for a serializable read): registers are linearizable, under any
// fault that leaves a majority. A leader that hears of no majority for an
// election time-out steps down by itself.
//
// # Configuration, and why
//
// Everything is etcd's own default, heartbeats of 100 ms and elections of 1 s among
// it, unless the declaration says otherwise. Members know each other from the start
// (--initial-cluster). With Disks each has its data on a disk of its own, which can
// lose its power or be full; Interposed ones can be slow or hang as well.
//
// The client is go.etcd.io/etcd/client/v3 with its own retries off. It is given
// one member, as its documentation calls "pinned address", and goes on to the
// next when that one fails: given all three, it deals requests round, and those
// for a frozen member would be lost for as long as the freeze, since its
// connection looks well (keep-alive is 10 s at best in gRPC).
//
// # What to expect
//
// Three members are ready after 2.9 s (1.91 to 3.39 s in four starts on a quiet
// machine) and hold 47 MiB.
//
// After the leader is lost, followers wait one to two election time-outs at random
// and vote. With etcd's defaults that was 1.1 s in the median, 1.9 s at most; with
// 50 and 300 ms it was 0.4 s. In a sweep the outage was 0.33, 1.3 and 4.3 s with
// elections of 0.3, 1 and 3 s. Restarting members one after the other costs their
// clients some 50 ms each, the leader's too: asked to end, it hands its place over
// first. A wall clock that jumps an hour is not noticed.
//
// A leader whose disk hangs says nothing either, because it saves before it sends
// again: it was replaced after 1.3 s. One whose disk is full ends itself ("failed
// to commit tx: no space left on device") and is replaced like one that was killed,
// and stays away: nobody has started it again when there is room. A follower whose
// disk hangs should cost its own clients one deadline and nobody else anything, if
// there are three members; on a machine whose disk was busy this has not been shown
// yet (0.7 to 6.4 s). With two, every write waits for it. Syncs that take 20 ms
// longer made the 99th percentile 0.1 to 0.2 s in two runs; with 50 ms one run kept
// only 58 % of its operations.
//
// # What hadrill found
//
// Most of the start is courtesy. A new member asks each other one whether it has
// been in the cluster before, and gives it a second for the answer. Started side by
// side they all listen, and none answers before it has been answered: 2 s for two
// others, between "opened backend db" and "starting local member". No flag shortens
// it.
//
// Members that acknowledge without syncing (--unsafe-no-fsync) do not come back from
// a power cut with less: they do not come back at all.
//
// A disk is part of every write, and a neighbour's writes are felt. On a machine
// whose disk other drills kept busy, members reported "leader failed to send out
// heartbeat on time" with healthy disks, and operations were half a second late.
package etcd
