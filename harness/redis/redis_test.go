package redis

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

func planned(s Sentinel) plan {
	next := 10
	return s.plan(func(string) netip.Addr {
		next++
		return netip.AddrFrom4([4]byte{10, 213, 0, byte(next)})
	})
}

func TestServersAreConfiguredAsDeclared(t *testing.T) {
	s := Sentinel{Replicas: 2, Sentinels: 3, MinReplicasToWrite: 1, MinReplicasMaxLag: 2 * time.Second, AppendFsync: "always"}
	p := planned(s)
	require.Equal(t, `port 6379
bind 0.0.0.0
protected-mode no
dir /tmp
replica-announce-ip 10.213.0.12
repl-diskless-sync yes
repl-diskless-sync-delay 0
save ""
appendonly yes
appendfsync always
min-replicas-to-write 1
min-replicas-max-lag 2
replicaof 10.213.0.11 6379
`, s.serverConfig(p, 1))
	require.NotContains(t, s.serverConfig(p, 0), "replicaof", "the first server is the first primary")
}

func TestSentinelsKnowEveryoneFromTheStart(t *testing.T) {
	s := Sentinel{Replicas: 2, Sentinels: 3, DownAfter: 500 * time.Millisecond, FailoverTimeout: 10 * time.Second, ParallelSyncs: 2}
	require.Equal(t, `port 26379
bind 0.0.0.0
protected-mode no
dir /tmp
sentinel myid `+member{name: "sentinel-2"}.runID()+`
sentinel announce-ip 10.213.0.15
sentinel announce-port 26379
sentinel monitor drill 10.213.0.11 6379 2
sentinel down-after-milliseconds drill 500
sentinel failover-timeout drill 10000
sentinel parallel-syncs drill 2
sentinel known-replica drill 10.213.0.12 6379
sentinel known-replica drill 10.213.0.13 6379
sentinel known-sentinel drill 10.213.0.14 26379 `+member{name: "sentinel-1"}.runID()+`
sentinel known-sentinel drill 10.213.0.16 26379 `+member{name: "sentinel-3"}.runID()+`
`, s.sentinelConfig(planned(s), 1))
	require.Len(t, member{name: "sentinel-1"}.runID(), 40)
}

func TestWhatIsNotSaidIsLeftToRedis(t *testing.T) {
	s := Sentinel{Replicas: 1, Sentinels: 1}
	p := planned(s)
	for _, directive := range []string{"min-replicas", "append", "down-after", "failover-timeout", "parallel-syncs"} {
		require.NotContains(t, s.serverConfig(p, 0)+s.sentinelConfig(p, 0), directive)
	}
}

func TestADeclarationThatCannotBeMeantIsRefused(t *testing.T) {
	for name, s := range map[string]Sentinel{
		"no replicas":       {Sentinels: 1},
		"no sentinels":      {Replicas: 1},
		"quorum":            {Replicas: 1, Sentinels: 3, Quorum: 4},
		"too many replicas": {Replicas: 1, Sentinels: 1, MinReplicasToWrite: 2},
		"half a second":     {Replicas: 1, Sentinels: 1, MinReplicasMaxLag: 500 * time.Millisecond},
		"microsecond":       {Replicas: 1, Sentinels: 1, DownAfter: time.Microsecond},
		"fsync":             {Replicas: 1, Sentinels: 1, AppendFsync: "sometimes"},
	} {
		require.Error(t, s.check(), name)
	}
	require.NoError(t, Sentinel{Replicas: 2, Sentinels: 3}.check())
	for sentinels, majority := range map[int]int{1: 1, 2: 2, 3: 2, 4: 3, 5: 3} {
		require.Equal(t, majority, Sentinel{Sentinels: sentinels}.quorum())
	}
}

func TestZonesAreDealtRound(t *testing.T) {
	s := Sentinel{Zones: []string{"a", "b"}}
	require.Equal(t, []string{"a", "b", "a"}, []string{s.zone(0), s.zone(1), s.zone(2)})
	require.Empty(t, Sentinel{}.zone(1))
}

func TestTheLogTellsWhoDeclaresWhat(t *testing.T) {
	const sentinel, server = "1:X 05 Mar 2025 10:00:00.123 # ", "1:M 05 Mar 2025 10:00:00.123 * "
	r := &Running{}
	for line, want := range map[string]harness.Milestone{
		sentinel + "+sdown master drill 10.213.0.11 6379":                            {Declared: true, Keep: true},
		sentinel + "+odown master drill 10.213.0.11 6379 #quorum 2/2":                {Declared: true, Keep: true},
		sentinel + "+sdown slave 10.213.0.12:6379 10.213.0.12 6379 @ drill 10.2 6":   {Keep: true},
		sentinel + "+sdown sentinel abc 10.213.0.14 26379 @ drill 10.213.0.11 6379":  {Keep: true},
		sentinel + "-sdown master drill 10.213.0.11 6379":                            {Keep: true},
		sentinel + "+switch-master drill 10.213.0.11 6379 10.213.0.12 6379":          {Owner: true, Keep: true},
		sentinel + "+promoted-slave slave 10.213.0.12:6379 10.213.0.12 6379 @ drill": {Owner: true, Keep: true},
		sentinel + "+try-failover master drill 10.213.0.11 6379":                     {Keep: true},
		sentinel + "+elected-leader master drill 10.213.0.11 6379":                   {Keep: true},
		sentinel + "+convert-to-slave slave 10.213.0.11:6379 10.213.0.11 6379":       {Keep: true},
		server + "MASTER MODE enabled (user request from 'id=4')":                    {Owner: true, Keep: true},
		server + "Connection with master lost.":                                      {Keep: true},
		server + "Ready to accept connections tcp":                                   {Keep: true},
	} {
		got, ok := r.Milestone("any", line)
		require.True(t, ok, line)
		want.Text = line[len(sentinel):]
		require.Equal(t, want, got)
	}
	for _, line := range []string{server + "Server initialized", server + "MASTER <-> REPLICA sync: Loading DB in memory", "", "oO0OoO0OoO0Oo"} {
		_, ok := r.Milestone("any", line)
		require.False(t, ok, line)
	}
}

func TestAnswersAreParsedWhole(t *testing.T) {
	parse := func(text string) (any, error) { return read(bufio.NewReader(strings.NewReader(text))) }
	for text, want := range map[string]any{
		"+PONG\r\n":                           "PONG",
		":42\r\n":                             int64(42),
		"$5\r\na\r\nbc\r\n":                   "a\r\nbc",
		"$-1\r\n":                             nil,
		"*-1\r\n":                             nil,
		"*0\r\n":                              []any{},
		"*2\r\n$1\r\na\r\n*2\r\n:1\r\n+b\r\n": []any{"a", []any{int64(1), "b"}},
	} {
		got, err := parse(text)
		require.NoError(t, err, "%q", text)
		require.Equal(t, want, got, "%q", text)
	}
	_, err := parse("-LOADING Redis is loading\r\n")
	require.Equal(t, reply("LOADING Redis is loading"), err)
	for _, broken := range []string{"", "+PO", "$5\r\nab", "*2\r\n:1\r\n", "?x\r\n", "$x\r\n", "$99999999999\r\n", "\r\n", ":x\r\n"} {
		_, err := parse(broken)
		require.Error(t, err, "%q", broken)
	}
	require.Equal(t, "*2\r\n$4\r\nPING\r\n$1\r\nx\r\n*1\r\n$4\r\nROLE\r\n", string(encode([][]string{{"PING", "x"}, {"ROLE"}})))
}

func TestOnlyReplicasThatFollowCloselyCount(t *testing.T) {
	replication := func(lines string) int {
		return inSync(info("# Replication\r\n" + strings.ReplaceAll(lines, "|", "\r\n")))
	}
	require.Equal(t, 2, replication("role:master|slave0:ip=a,port=1,state=online,offset=5,lag=0|slave1:ip=b,port=1,state=online,offset=5,lag=1"))
	require.Equal(t, 1, replication("role:master|slave0:ip=a,port=1,state=wait_bgsave,offset=0,lag=0|slave1:ip=b,port=1,state=online,offset=5,lag=0,type=replica"))
	require.Equal(t, 0, replication("role:master|slave0:ip=a,port=1,state=online,offset=5,lag=9"))
	require.Equal(t, 0, replication("role:slave|master_link_status:up|slave0:ip=a,port=1,state=online,offset=5,lag=0"))
}

func TestOnlyARequestCountsAsSent(t *testing.T) {
	for _, command := range [][]string{{"hello", "2"}, {"client", "setinfo"}, {"sentinel", "get-master-addr-by-name", "drill"}, {"subscribe", "+switch-master"}, {"ping"}} {
		require.True(t, isGreeting(encode([][]string{command})), "%v", command)
	}
	for _, command := range [][]string{{"sadd", "set:1", "2"}, {"get", "hello"}, {"set", "register:1", "ping"}, {"eval", "..."}} {
		require.False(t, isGreeting(encode([][]string{command})), "%v", command)
	}
}
