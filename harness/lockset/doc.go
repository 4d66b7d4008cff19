// Package lockset starts workers that change shared sets under a lock in etcd:
// the smallest system in which a lock must do what it is for.
//
//	clients ──▶ worker-1   worker-2   worker-3       hadrill's own component "locker"
//	                ╲          │          ╱
//	               one holds the lock's lease
//	                           │
//	                etcd-1  etcd-2  etcd-3           the lock, and the sets
//
// Only the holder changes the sets. It reads a set, works on it, and writes it
// back whole, so two holders at once overwrite each other and elements that
// were acknowledged are gone: a lost write in the definitive read is the proof
// that mutual exclusion was broken.
//
// A lease bounds how long a dead holder keeps the lock. It cannot bound how long
// a holder that was merely stopped, by a garbage collection, a hypervisor or a
// freezer, goes on once it runs again (Kleppmann, "How to do distributed
// locking", 2016; etcd's own documentation says the same of its locks). Fencing
// can: the lock's token goes with every write, and the store refuses a write
// whose token is no longer that of the lock. Fencing is the one field in which
// the safe system and its known-bad twin differ.
//
// # Configuration, and why
//
// A lease is two seconds in the drills: etcd grants none shorter than one and a
// half election time-outs, rounded up. It is renewed three times in that. A change
// takes 100 ms, so that some are always under way when something happens.
//
// # What to expect
//
// When the holder is killed nobody has the lock for about the lease, less what had
// passed of it since its last renewal: 1.6, 3.7 and 6.2 s with leases of 2, 4 and
// 8 s. Cut off from etcd, but not from its clients, it refuses them as soon as its
// lease was not renewed in time, and another served them after 2.0 s. When etcd's
// own leader is killed the holder keeps the lock, as the next leader gives every
// lease its whole time again: clients waited for 0.9 s. A worker that only waits for
// the lock is missed by nobody.
//
// # What hadrill found
//
// Frozen past its lease in the middle of a change and thawed, a holder without
// fencing took back 45 to 48 acknowledged elements; with fencing none was lost. A
// wall clock that jumps an hour, the holder's or all of etcd's, changes nothing:
// leases are counted in monotonic time.
package lockset
