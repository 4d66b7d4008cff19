package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hadrill/hadrill/harness"
)

func TestEveryMemberKnowsAllFromTheStart(t *testing.T) {
	c := Cluster{Members: 3, Heartbeat: 50 * time.Millisecond, Election: 300 * time.Millisecond}
	next := netip.MustParseAddr("10.213.0.10")
	members := c.plan(func(string) netip.Addr { next = next.Next(); return next })
	require.Equal(t, strings.Fields(`etcd --name etcd-2 --data-dir /tmp/etcd
		--listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://10.213.0.12:2379
		--listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls http://10.213.0.12:2380
		--initial-cluster etcd-1=http://10.213.0.11:2380,etcd-2=http://10.213.0.12:2380,etcd-3=http://10.213.0.13:2380
		--initial-cluster-state new --initial-cluster-token drill
		--heartbeat-interval 50 --election-timeout 300`), c.command(members, 1))
	plain := fmt.Sprint(Cluster{Members: 3}.command(members, 0))
	require.NotContains(t, plain, "heartbeat", "what is not said is left to etcd")
	require.NotContains(t, plain, "election")
}

func TestADeclarationThatCannotBeMeantIsRefused(t *testing.T) {
	for name, c := range map[string]Cluster{
		"no members":     {},
		"no disk":        {Members: 3, Interposed: true},
		"microsecond":    {Members: 3, Heartbeat: time.Microsecond},
		"short election": {Members: 3, Heartbeat: 100 * time.Millisecond, Election: 400 * time.Millisecond},
		"short election beside the default heartbeat": {Members: 3, Election: 300 * time.Millisecond},
	} {
		require.Error(t, c.check(), name)
	}
	require.NoError(t, Cluster{Members: 3}.check())
	require.Equal(t, "b", Cluster{Zones: []string{"a", "b"}}.zone(3))
}

func TestTheLogTellsWhoDeclaresWhat(t *testing.T) {
	r := &Running{}
	for text, want := range map[string]harness.Milestone{
		"raft.node: 8e9e lost leader fd42 at term 2":               {Declared: true, Keep: true},
		"8e9e is starting a new election at term 2":                {Declared: true, Keep: true},
		"8e9e became leader at term 3":                             {Owner: true, Keep: true},
		"raft.node: 91bc elected leader 8e9e at term 3":            {Keep: true},
		"8e9e became candidate at term 3":                          {Keep: true},
		"8e9e became pre-candidate at term 2":                      {Keep: true},
		"fd42 stepped down to follower since quorum is not active": {Keep: true},
		"peer became inactive (message send to peer failed)":       {Keep: true},
	} {
		got, ok := r.Milestone("any", `{"level":"info","ts":"2025-03-05T10:00:00.123Z","msg":"`+text+`"}`)
		require.True(t, ok, text)
		want.Text = text
		require.Equal(t, want, got)
	}
	for _, line := range []string{`{"level":"info","msg":"saved snapshot"}`, "", "{", "not JSON at all"} {
		_, ok := r.Milestone("any", line)
		require.False(t, ok, line)
	}
}

func TestOnlyMembersThatFollowTheNewestLeaderCloselyCount(t *testing.T) {
	follower := func(leader uint64, term int64, index uint64) view {
		return view{Leader: leader, Term: term, Index: index, Applied: index}
	}
	for name, c := range map[string]struct {
		views []view
		errs  []error
		want  int
	}{
		"all":                      {[]view{follower(1, 2, 50), follower(1, 2, 50), follower(1, 2, 49)}, make([]error, 3), 3},
		"one silent":               {[]view{{}, follower(2, 3, 50), follower(2, 3, 50)}, []error{errors.New("silent"), nil, nil}, 2},
		"one without leader":       {[]view{follower(0, 3, 50), follower(2, 3, 50), follower(2, 3, 50)}, make([]error, 3), 2},
		"one follows the old":      {[]view{follower(1, 2, 50), follower(2, 3, 50), follower(2, 3, 50)}, make([]error, 3), 2},
		"one is far behind":        {[]view{follower(1, 2, 500), follower(1, 2, 500), follower(1, 2, 10)}, make([]error, 3), 2},
		"nobody leads":             {[]view{follower(0, 3, 50), follower(0, 3, 50), follower(0, 3, 50)}, make([]error, 3), 0},
		"the old one is far ahead": {[]view{follower(1, 2, 900), follower(2, 3, 50), follower(2, 3, 50)}, make([]error, 3), 2},
	} {
		n, answered := inStep(c.views, c.errs)
		require.Equal(t, c.want, n, name)
		require.True(t, answered, name)
	}
	_, answered := inStep(make([]view, 2), []error{errors.New("silent"), errors.New("silent")})
	require.False(t, answered)
}

func TestOnlyARefusalIsKnownNotToHaveHappened(t *testing.T) {
	for err, want := range map[error]bool{
		rpctypes.ErrNoLeader:               true,
		rpctypes.ErrTooManyRequests:        true,
		rpctypes.ErrTimeout:                false,
		rpctypes.ErrTimeoutDueToLeaderFail: false,
		rpctypes.ErrStopped:                false,
		context.DeadlineExceeded:           false,
		status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp: refused"`): true,
		status.Error(codes.Unavailable, "error reading from server: EOF"):                                               false,
		errors.New("anything else"): false,
	} {
		require.Equal(t, want, refused(fmt.Errorf("write: %w", err)), "%v", err)
	}
}
