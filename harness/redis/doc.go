// Package redis starts Redis as it is run in earnest, in three shapes, and reads
// each server's own word on who is primary.
//
//	Sentinel                                     Cluster
//
//	sentinel-1  sentinel-2  sentinel-3            slots    0..       ..       ..16383
//	        ╲       │       ╱   watch, vote                redis-1  redis-2  redis-3
//	redis-1 ──replication──▶ redis-2, redis-3              redis-4  redis-5  redis-6
//	   ▲                                          primaries vote; every node gossips
//	   └── clients: ask a sentinel who is         with every node; clients keep a map
//	       primary, then talk to it               of the slots
//
//	Single: one server with a disk of its own, for what its file is worth.
//
// Clients are go-redis', as an application would use them: its failover client,
// its cluster client, its plain one; all with their own repetitions off.
//
// # Configuration, and why
//
// Every server has its configuration copied in, as both Redis and Sentinel
// rewrite theirs when roles change; a restarted node comes back with what it
// knew. The sentinels know each other and the replicas from the start, and every
// node of a cluster finds the whole map in its own nodes.conf, written the way
// they write it themselves: a system is whole as soon as its processes are up,
// and no run waits for discovery.
//
// DownAfter is half a second in the drills, not Redis' 30 s, and NodeTimeout one,
// not 15: they are most of a failover, and the part that can be bought.
// MinReplicasToWrite 1 with MinReplicasMaxLag 2 s makes a primary that lost its
// replicas stop acknowledging. Replication is diskless and without the 5 s in
// which Redis waits for more replicas. Nothing is kept on disk unless AppendFsync
// says so; Cluster with Disks keeps it on disks that can lose their power.
//
// # What to expect
//
// Sentinel's six processes are ready after 3.0 s (2.99 to 3.06 s in four starts on
// a quiet machine) and hold 18 MiB; a cluster of six nodes after 3.6 s (3.39 to
// 3.95 s), 2 s of which is Redis' own delay before a restarted primary takes
// writes, and holds 22 MiB.
//
// When the primary is killed, the time to recover is DownAfter and about 0.85 s:
// 0.3 s of vote and promotion, the rest is the clients' finding out. In the median
// of six runs each it was 1.35 s at 500 ms, 1.85 s at 1 s and 2.85 s at 2 s; a
// frozen primary costs as much. Cut off with its clients, a guarded primary
// acknowledged for 2.5 s more, an unguarded one for as long as the partition
// lasted. In a cluster it was 1.5, 2.2, 3.5 and 6.7 s with a NodeTimeout of 0.5, 1,
// 2 and 4 s: 1.4 s for each second of it, and 0.8 s that no setting removes. A
// restarted primary of a cluster is away for 2.2 to 2.8 s.
//
// A primary that is 50 ms away is slower by that and by nothing else: 52 ms for one
// shard's writes, 2.3 ms for those of the others beside it (99th percentiles), and
// no failover. One packet in twenty lost costs single writes 200 ms and more.
//
// When a whole cluster loses its power, and has it back a second later, it serves
// again after 3.7 to 5.0 s. With appendfsync everysec 2 and 303 acknowledged writes
// of about 7 000 were gone, of the last second; with "no" all 2 253 since the load
// began.
//
// # What hadrill found
//
// DownAfter 200 ms never recovers: in six runs of six the sentinels failed over
// again and again for the 7 s that were looked at. After each switch a sentinel
// counts the silence of the new primary from the switch, and sends its first
// PING only when DownAfter has passed (sentinelResetMaster sets act_ping_time
// and last_pong_time together): the new primary is taken for down before it was
// asked, and with all clocks so close the others agree.
//
// A primary that keeps nothing on disk and is restarted sooner than it is missed
// comes back empty, and its replicas copy that: everything is lost, in a system
// in which nothing failed, with Sentinel and in a cluster alike.
//
// The guard has a price: with MinReplicasToWrite as high as the number of replicas,
// the death of one of them ends all writes at once, after 20 and 30 ms in two runs.
//
// A sentinel whose wall clock jumps acts no more for 30 s (TILT mode). With a
// quorum of two of three the others fail over as if nothing were; a quorum of
// three waits for it. A node of a cluster, which counts silence by its wall clock
// as well, asks the others first and takes nobody for dead.
//
// In a cluster the client decides the outage as much as the servers; see Cluster.
package redis
