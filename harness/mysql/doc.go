// Package mysql starts MySQL as it is run in earnest, in three shapes, and asks
// every server for its own belief.
//
//	SemiSync                               Group
//
//	      manager  (probes, decides)        mysql-1 ◀──Paxos──▶ mysql-2
//	     ╱   │   ╲                             ▲  ╲           ╱  ▲
//	mysql-1  │    ╲                            │    mysql-3      │
//	 source ─┴─semi-sync─▶ mysql-2, mysql-3    │                 │
//	   ▲                                    clients: ask any member that sees
//	   └── clients: ask the manager,        a majority who is primary, as
//	       then talk to the source          MySQL Router does
//
//	Single: one server, for what isolation levels promise.
//
// # Configuration, and why
//
// Durability is MySQL's own default and stays so: sync_binlog=1 and
// innodb_flush_log_at_trx_commit=1. Every server begins read-only, because one
// that restarts may be an old primary. GTIDs are on; replicas do not resume
// replication by themselves after a restart (package manager says why). Memory
// is small (about 240 MiB a server, 330 in a group) and the
// performance schema is off; the one table of it that matters here,
// replication_group_members, answers all the same.
//
// # Clients
//
// One virtual user is one connection, pinned, so that database/sql repeats
// nothing behind its back. An error known not to have taken effect (no byte of
// the request left; read-only; deadlock) is Definite; a broken or late COMMIT
// never is, and neither are the errors with which a member leaves its group.
//
// # What to expect
//
// SemiSync answers after about 3 s (2.6 to 3.7 s; 6 s on a busy machine): 1.2 s
// for containers and networks, 0.3 s for a copy of the data directory, 1.1 s
// until mysqld answers, 0.4 s until the manager has its replicas follow.
//
// When the source is killed, clients see nothing succeed for 1.15 s (1.04 to
// 1.18 s in four runs):
//
//	1.00 .. 1.10 s  silence: DownAfter, to the next look
//	0.00            fence, for the receivers were stopped at the first miss
//	0.00            comparing GTIDs, waiting for the relay log, writing it down
//	0.02 .. 0.08    promotion, beside the re-pointing of the others
//	0.02 .. 0.07    a client that had been dialling the dead machine
//
// So DownAfter is all there is to be turned. (The manager took 2.7 s as long as
// it asked all servers at once, and so waited for the dead one in every round,
// and stopped receivers only when the source was declared dead, while they hung
// in connect.) A source that freezes or is cut off costs 2.2 s: its replicas
// hear no heartbeat for a second, NetTimeout, and then hang in connect for
// another; with MySQL's default replica_net_timeout they would believe in it for
// another minute. What the acknowledgement costs is 1.6 ms in the median, 2.8
// against 4.4 ms; what it keeps, when the source loses its replicas for 3 s and
// then its life, is 300 writes of 300.
//
// Group answers after 7 s; a failover takes 5.7 s of suspicion, which no setting
// shortens, plus the expel time-out, plus the backlog: 6.4 s when the primary
// freezes, 23 s with the default expel time-out. Members that are 50 ms apart,
// there and back, commit in 122 ms (two to three rounds), where a semi-sync
// source at the same distance takes 65 ms (one). Of commits over a wire that
// loses one packet in twenty 97 % take less than half a second.
//
// Three servers and the manager of SemiSync hold 735 MiB, the three of Group
// 1 000 MiB.
//
// # What hadrill found
//
// A source killed under load often has transactions in its binary log that it
// never acknowledged. On its return it commits them. Unless they are looked for
// (GTID_SUBTRACT) it then differs from its successor for ever; the manager
// replaces its data. A data directory in an image layer cannot be cloned over:
// overlay file systems refuse to rename its directories, and mysqld aborts; so
// servers work on a copy. A killed server leaves its socket's lock file, whose
// process id is somebody's in a restarted container: mysqld then refuses to
// start, unless the lock is removed.
//
// A disk that was full for two seconds cost a minute: a thread that finds no
// room sleeps for 60 s before it looks again, whenever there is some. Nothing
// was lost; but a manager that asks questions only notices nothing, as the
// source answers all of them.
//
// A source that came back without what it had acknowledged (sync_binlog=0, then
// a power cut) gives new transactions the numbers of those it forgot. Its
// replicas, which had them, were to be cloned from it, and could not: the clone
// waits for the source's commits, those wait for a replica, and the replicas for
// the clone. All stood still, which is safe, and for good.
//
// A source that is asked to end (SIGTERM) while commits wait for acknowledgement
// does not end: its sessions wait for replicas that it no longer serves, and
// after ten seconds it had to be killed. Give it a time, and a manager that
// takes over meanwhile.
//
// group_replication_member_expel_timeout is no time but a switch: with 0 a
// suspected member is expelled at once; with 2 s it took 16.3 s, with 5 s, the
// default, 16.3 s too (one run each): as if suspicions were looked at every 15 s.
//
// The port 33061 of the manual's examples for Group Replication lies in Linux'
// ephemeral range. Once in about 90 starts somebody else inside the container
// had it already, and the member could not join for as long as it tried; the
// group talks on 13306 here.
package mysql
