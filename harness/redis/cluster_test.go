package redis

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

func plannedCluster(c Cluster) clusterPlan {
	next := netip.MustParseAddr("10.213.0.10")
	return c.plan(func(string) netip.Addr { next = next.Next(); return next })
}

func TestAClusterIsFormedBeforeItsNodesStart(t *testing.T) {
	c := Cluster{Replicas: []int{1, 1, 1}, NodeTimeout: time.Second, PartialCoverage: true, MinReplicasToWrite: 1, MinReplicasMaxLag: 2 * time.Second, AppendFsync: "always"}
	p := plannedCluster(c)
	id := func(i int) string { return member{name: fmt.Sprintf("redis-%d", i)}.runID() }
	require.Equal(t, fmt.Sprintf(`%s 10.213.0.11:6379@16379,,tls-port=0,shard-id=%s master - 0 0 1 connected 0-5460
%s 10.213.0.12:6379@16379,,tls-port=0,shard-id=%s master - 0 0 2 connected 5461-10922
%s 10.213.0.13:6379@16379,,tls-port=0,shard-id=%s master - 0 0 3 connected 10923-16383
%s 10.213.0.14:6379@16379,,tls-port=0,shard-id=%s slave %s 0 0 1 connected
%s 10.213.0.15:6379@16379,,tls-port=0,shard-id=%s myself,slave %s 0 0 2 connected
%s 10.213.0.16:6379@16379,,tls-port=0,shard-id=%s slave %s 0 0 3 connected
vars currentEpoch 3 lastVoteEpoch 0
`, id(1), shardID(0), id(2), shardID(1), id(3), shardID(2), id(4), shardID(0), id(1), id(5), shardID(1), id(2), id(6), shardID(2), id(3)), p.nodesFile(4))
	require.Equal(t, `port 6379
bind 0.0.0.0
protected-mode no
dir /tmp
cluster-enabled yes
cluster-config-file /tmp/nodes.conf
cluster-announce-ip 10.213.0.15
cluster-node-timeout 1000
cluster-require-full-coverage no
repl-diskless-sync yes
repl-diskless-sync-delay 0
save ""
appendonly yes
appendfsync always
min-replicas-to-write 1
min-replicas-max-lag 2
`, c.serverConfig(p[4]))
}

func TestWhatIsNotSaidOfAClusterIsLeftToRedis(t *testing.T) {
	c := Cluster{Replicas: []int{1, 1, 1}}
	for _, directive := range []string{"node-timeout", "full-coverage", "append", "min-replicas"} {
		require.NotContains(t, c.serverConfig(plannedCluster(c)[0]), directive)
	}
}

func TestWithADiskOnlyTheAppendOnlyFileIsOnIt(t *testing.T) {
	c := Cluster{Replicas: []int{1, 1, 1}, AppendFsync: "everysec", Disks: true}
	require.Equal(t, []harness.Disk{{Path: "/data"}}, c.disks())
	require.Contains(t, c.serverConfig(plannedCluster(c)[0]), "\ndir /data\n")
	require.Contains(t, c.serverConfig(plannedCluster(c)[0]), "\ncluster-config-file /tmp/nodes.conf\n")
	require.NoError(t, c.check())
	c.AppendFsync = ""
	require.Error(t, c.check(), "a disk on which nothing is kept")
	require.Empty(t, Cluster{}.disks())
}

func TestShardsMayHaveDifferentNumbersOfReplicas(t *testing.T) {
	c := Cluster{Replicas: []int{0, 2, 1}, Zones: []string{"a", "b"}}
	var got []string
	for _, m := range plannedCluster(c) {
		got = append(got, fmt.Sprintf("%s shard %d place %d zone %s", m.name, m.shard, m.place, c.zone(m)))
	}
	require.Equal(t, []string{
		"redis-1 shard 0 place 0 zone a", "redis-2 shard 1 place 0 zone b", "redis-3 shard 2 place 0 zone a",
		"redis-4 shard 1 place 1 zone a", "redis-5 shard 2 place 1 zone b", "redis-6 shard 1 place 2 zone b",
	}, got)
}

func TestAClusterThatCannotBeMeantIsRefused(t *testing.T) {
	three := []int{1, 1, 1}
	for name, c := range map[string]Cluster{
		"two shards":        {Replicas: []int{1, 1}},
		"negative replicas": {Replicas: []int{1, -1, 1}},
		"microsecond":       {Replicas: three, NodeTimeout: time.Microsecond},
		"negative time":     {Replicas: three, Refresh: -1},
		"half a second":     {Replicas: three, MinReplicasMaxLag: 500 * time.Millisecond},
		"fsync":             {Replicas: three, AppendFsync: "sometimes"},
	} {
		require.Error(t, c.check(), name)
	}
	require.NoError(t, Cluster{Replicas: three}.check())
}

func TestSlotsAreThoseOfTheSpecification(t *testing.T) {
	// CRC16("123456789") is 0x31c3 by the specification; the others are answers of CLUSTER KEYSLOT.
	for key, slot := range map[string]int{"123456789": 0x31c3, "foo": 12182, "bar": 5061, "hello": 866} {
		require.Equal(t, slot, slotOf(key), key)
	}
	for shards := 3; shards <= 7; shards++ {
		next := 0
		for shard := range shards {
			first, last := slotRange(shard, shards)
			require.Equal(t, next, first)
			for slot := first; slot <= last; slot++ {
				require.Equal(t, shard, shardOfSlot(slot, shards))
			}
			next = last + 1
		}
		require.Equal(t, slots, next)
	}
}

func TestKeysAreDealtRoundTheShards(t *testing.T) {
	const shards = 3
	seen := map[int]bool{}
	for load := range uint64(shards) {
		for key := range uint64(50) {
			n := load*loadSpan + key
			require.Equal(t, int((load+key)%shards), shardOfKey(n, shards))
			text := taggedKey("set", n, shards)
			tag := text[len("set:{") : len(text)-1]
			require.Equal(t, shardOfKey(n, shards), shardOfSlot(slotOf(tag), shards), text)
			seen[slotOf(tag)] = true
		}
	}
	require.Greater(t, len(seen), 140, "150 keys lie at slots of their own")
}

func TestTheClusterLogTellsWhoDeclaresWhat(t *testing.T) {
	const prefix = "1:S 05 Mar 2025 10:00:00.123 * "
	r := &RunningCluster{}
	for text, want := range map[string]harness.Milestone{
		"Marking node abc (redis-1) as failing (quorum reached).":                    {Declared: true, Keep: true},
		"FAIL message received from abc () about def ()":                             {Declared: true, Keep: true},
		"Failover election won: I'm the new master.":                                 {Owner: true, Keep: true},
		"Start of election delayed for 612 milliseconds (rank #0, offset 1234).":     {Keep: true},
		"Starting a failover election for epoch 4, node config epoch is 1":           {Keep: true},
		"Failover auth granted to abc () for epoch 4":                                {Keep: true},
		"Cluster state changed: fail":                                                {Keep: true},
		"Connection with master lost.":                                               {Keep: true},
		"Configuration change detected. Reconfiguring myself as a replica of abc ()": {Keep: true},
	} {
		got, ok := r.Milestone("any", prefix+text)
		require.True(t, ok, text)
		want.Text = text
		require.Equal(t, want, got)
	}
	_, ok := r.Milestone("any", prefix+"Server initialized")
	require.False(t, ok)
}

// pipe is a connection whose reads fail as told.
type pipe struct {
	net.Conn
	readErr error
	written [][]byte
}

func (p *pipe) Write(b []byte) (int, error) { p.written = append(p.written, b); return len(b), nil }
func (p *pipe) Read([]byte) (int, error)    { return 0, p.readErr }

func TestALostRequestIsNotSentAgain(t *testing.T) {
	w := &wire{}
	c := &client{wire: w}
	request := encode([][]string{{"SADD", "set:1", "2"}})
	first, second := &pipe{readErr: io.EOF}, &pipe{}
	err := c.do("add to set", func() error {
		// What a client library with hidden retries does.
		one := &wireConn{Conn: first, wire: w}
		if _, err := one.Write(request); err != nil {
			return err
		}
		if _, err := one.Read(nil); err == nil {
			return nil
		}
		two := &wireConn{Conn: second, wire: w}
		if _, err := two.Write(encode([][]string{{"HELLO", "2"}})); err != nil {
			return err
		}
		_, err := two.Write(request)
		return err
	})
	require.ErrorIs(t, err, io.EOF, "the error says what became of the request")
	require.False(t, harness.IsDefinite(err), "it may have taken effect")
	require.Len(t, second.written, 1, "only the greeting of the second connection has left")

	require.NoError(t, c.do("add to set", func() error {
		_, err := (&wireConn{Conn: second, wire: w}).Write(request)
		return err
	}), "the next operation is not held back")
	refused := c.do("add to set", func() error { return errors.New("dial: refused") })
	require.True(t, harness.IsDefinite(refused), "nothing of it has left")
}
