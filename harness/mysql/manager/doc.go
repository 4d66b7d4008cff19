// Package manager fails a MySQL source over to its most advanced replica, as
// MHA and Orchestrator do, in a few hundred lines that can be read in one go.
//
//	      ┌──────────── probes every server, ten times a second
//	      ▼
//	mysql-1 (source) ──semi-sync──▶ mysql-2, mysql-3     GET /primary ◀── clients
//
// Each server is looked at by itself, so that one that hangs holds up nobody's
// sight of the others. With everything it sees the manager brings the servers
// closer to what it decided: the source writable, all others read-only and
// replicating from it. First start, failover, the return of an old source and
// the manager's own restart are the same reconciliation; only the decision
// differs, and it is written to disk before anything is done about it.
//
// # When a source is dead
//
// It has not answered for DownAfter, two questions at least, and no replica that
// answers still hears from it (Orchestrator's "holistic" detection): a manager
// that is cut off from a healthy source alone must not act.
//
// # How long a failover takes
//
//	0 ────────────────────── DownAfter ──┬──────┬─────────┬──────── writes
//	source dies                          │ declared       promoted
//	└─ first miss: receivers that have   │ fence confirmed, most advanced
//	   lost it are stopped already       │ chosen, relay log applied, written down
//
// All that can be done before the source is known to be dead is done before: a
// receiver that dials a machine that is gone hangs for replica_net_timeout, and
// cannot be stopped meanwhile, so it is stopped at the first miss. Should the
// source answer after all it is started again. After the decision nothing is
// looked at once more: the new source is promoted while the others are
// re-pointed. So a failover is DownAfter and some hundredths of a second.
//
// # What must hold before a replica is promoted
//
// With n replicas of which a must acknowledge each commit, the manager stops
// the receiver of at least n-a+1 replicas first. That number does two things.
// The rest are fewer than a, so the old source, should it live somewhere, can
// acknowledge nothing any more: the quorum is the fence, and no packet has to
// reach the old source. And every acknowledged transaction is on at least one
// of those stopped, so the most advanced among them has them all. Fewer, and
// the manager waits rather than loses. Receivers stay stopped over a restart
// (skip_replica_start): one that resumed by itself would reopen the fence.
//
// # When an old source returns
//
// Restarted, it commits what it had written to its binary log and never got
// acknowledged; thawed, it has sessions that wait for acknowledgements. Turning
// semi-sync off there would tell waiting clients "committed". So sessions are
// ended first (offline_mode), then semi-sync goes off, then it is read-only.
// If it has transactions that the new source lacks (errant, by GTID_SUBTRACT),
// its data are replaced by a clone of the new source's; otherwise it follows.
//
// # What it does not do
//
// It is one process. While it is away, nothing fails over, and clients keep
// the primary they know. Nothing else depends on it, but for one case: if it
// dies within the second in which it holds receivers on suspicion, and the
// source lives after all, they wait for its return.
package manager
