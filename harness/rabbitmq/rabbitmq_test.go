package rabbitmq

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
)

func planned(c Cluster) []member {
	next := netip.MustParseAddr("10.213.0.10")
	return c.plan(func(string) netip.Addr { next = next.Next(); return next })
}

func TestEveryNodeIsToldOfAllOthers(t *testing.T) {
	c := Cluster{Nodes: 3, NetTick: 5 * time.Second, DetectorPoll: 500 * time.Millisecond, PartitionHandling: AutoHeal}
	members := planned(c)
	require.Equal(t, `[{rabbit, [
  {loopback_users, []},
  {cluster_nodes, {['rabbit@10.213.0.11', 'rabbit@10.213.0.12', 'rabbit@10.213.0.13'], disc}},
  {cluster_partition_handling, autoheal},
  {log, [{console, [{enabled, true}, {level, info}]}, {file, [{file, false}]}, {categories, [{connection, [{level, warning}]}]}]}
 ]},
 {aten, [{poll_interval, 500}]}].
`, c.config(members))
	environment := c.environment(members, 1)
	require.Equal(t, "rabbit@10.213.0.12", environment["RABBITMQ_NODENAME"])
	require.Equal(t, `-eval file:eval("/etc/hadrill/witness.erl") -kernel net_ticktime 5`, environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"])

	plain := Cluster{Nodes: 3}
	require.NotContains(t, plain.config(members), "aten", "what is not said is left to RabbitMQ")
	require.NotContains(t, plain.environment(members, 0)["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"], "net_ticktime")
	require.Contains(t, plain.config(members), "{cluster_partition_handling, pause_minority}")
}

func TestADeclarationThatCannotBeMeantIsRefused(t *testing.T) {
	for name, c := range map[string]Cluster{
		"no nodes":                      {},
		"unknown type":                  {Nodes: 3, Type: "stream"},
		"half a second of ticks":        {Nodes: 3, NetTick: 500 * time.Millisecond},
		"microseconds":                  {Nodes: 3, DetectorPoll: time.Microsecond},
		"unknown handling":              {Nodes: 3, PartitionHandling: "pray"},
		"prefetch of an unbounded many": {Nodes: 3, Prefetch: 1001},
		"below no limit":                {Nodes: 3, DeliveryLimit: -2},
		"a limit for classic queues":    {Nodes: 3, Type: Classic, DeliveryLimit: 5},
		"returning what is done with":   {Nodes: 3, GiveBack: 1, AutoAck: true},
		"returning to who counts not":   {Nodes: 3, GiveBack: 1, Type: Classic},
	} {
		require.Error(t, c.check(), name)
	}
	require.NoError(t, Cluster{Nodes: 3, Type: Classic, AutoAck: true}.check())
	require.NoError(t, Cluster{Nodes: 3, DeliveryLimit: NoDeliveryLimit, GiveBack: 25}.check())
	require.Equal(t, "b", Cluster{Zones: []string{"a", "b"}}.zone(3))
}

func TestTheLogTellsWhoDeclaresWhat(t *testing.T) {
	r := &Running{}
	for text, want := range map[string]harness.Milestone{
		"queue 'queue-0' in vhost '/': Leader monitor down with noconnection, setting election timeout":                             {Declared: true, Keep: true},
		"queue 'queue-0' in vhost '/': granting vote for {'%2F_queue-0','rabbit@10.213.0.12'} with last indexterm {8,1} for term 2": {Declared: true, Keep: true},
		"queue 'queue-0' in vhost '/': candidate -> leader in term: 2 machine version: 5":                                           {Owner: true, Keep: true},
		"queue 'queue-0' in vhost '/': leader -> follower in term: 2 machine version: 5":                                            {Keep: true},
		"queue 'queue-0' in vhost '/': detected a new leader {'%2F_queue-0','rabbit@10.213.0.12'} in term 2":                        {Keep: true},
		"rabbit on node 'rabbit@10.213.0.11' down":                                                                                  {Keep: true},
		"Server startup complete; 0 plugins started.":                                                                               {Keep: true},
		"Cluster minority/secondary status detected":                                                                                {Keep: true},
		"node 'rabbit@10.213.0.11' down: net_tick_timeout":                                                                          {Keep: true},
	} {
		got, ok := r.Milestone("any", "2026-05-01 10:00:00.123456+00:00 [info] <0.950.0> "+text)
		require.True(t, ok, text)
		want.Text = text
		require.Equal(t, want, got)
	}
	for _, line := range []string{
		"2026-05-01 10:00:00.123456+00:00 [info] <0.1.0> RabbitMQ metadata store: candidate -> leader in term: 1 machine version: 1",
		"2026-05-01 10:00:00.123456+00:00 [warning] <0.1.0> Channel is stopping with 1 pending publisher confirms",
		"", "  ##  ##", "] <", "candidate -> leader in term",
	} {
		_, ok := r.Milestone("any", line)
		require.False(t, ok, line)
	}
}

// cluster is a Running of three nodes that was never started. Its nodes have
// no names, which is all that these tests need of them.
func cluster() *Running {
	r := &Running{declared: Cluster{Nodes: 3}, names: map[string]string{"rabbit@a": "a", "rabbit@b": "b", "rabbit@c": "c"}}
	for range 3 {
		r.nodes = append(r.nodes, &harness.Node{})
	}
	return r
}

func says(leader, state string, term, applied int64, peers ...string) view {
	return view{Serves: true, Peers: peers, Queues: []memberOf{{Name: "queue-0", Leader: leader, State: state, Term: term, Applied: applied}}}
}

func TestOnlyCopiesThatFollowTheNewestLeaderCloselyCount(t *testing.T) {
	a, b, c := "rabbit@a", "rabbit@b", "rabbit@c"
	silent := errors.New("silent")
	for name, of := range map[string]struct {
		views []view
		errs  []error
		want  int
	}{
		"all":                      {[]view{says(a, "leader", 1, 50, b, c), says(a, "follower", 1, 50, a, c), says(a, "follower", 1, 49, a, b)}, make([]error, 3), 3},
		"one silent":               {[]view{{}, says(b, "leader", 2, 50, c), says(b, "follower", 2, 50, b)}, []error{silent, nil, nil}, 2},
		"one electing":             {[]view{says("", "candidate", 3, 50, b, c), says(b, "leader", 2, 50, a, c), says(b, "follower", 2, 50, a, b)}, make([]error, 3), 2},
		"one follows the old":      {[]view{says(a, "leader", 1, 90, b, c), says(b, "leader", 2, 50, a, c), says(b, "follower", 2, 50, a, b)}, make([]error, 3), 2},
		"one is far behind":        {[]view{says(a, "leader", 1, 500, b, c), says(a, "follower", 1, 500, a, c), says(a, "follower", 1, 10, a, b)}, make([]error, 3), 2},
		"one keeps a database":     {[]view{says(b, "follower", 2, 50), says(b, "leader", 2, 50, c), says(b, "follower", 2, 50, b)}, make([]error, 3), 2},
		"one has no member":        {[]view{{Serves: true}, says(b, "leader", 2, 50, a, c), says(b, "follower", 2, 50, a, b)}, make([]error, 3), 2},
		"nobody leads":             {[]view{says("", "follower", 2, 50, b, c), says("", "candidate", 3, 50, a, c), {}}, []error{nil, nil, silent}, 0},
		"a leader of another term": {[]view{says(a, "follower", 4, 50, b, c), says(b, "leader", 3, 50, a, c), says(b, "follower", 3, 50, a, b)}, make([]error, 3), 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := cluster()
			require.Equal(t, of.want, r.inStep("queue-0", of.views, of.errs))
		})
	}
}

func TestABeliefIsTheNodesOwn(t *testing.T) {
	r := cluster()
	for name, of := range map[string]struct {
		view view
		err  error
		self harness.Role
		of   string
	}{
		"leads":                      {says("rabbit@a", "leader", 2, 9), nil, harness.Primary, "a"},
		"leads, as it alone says":    {says("rabbit@b", "leader", 2, 9), nil, harness.Primary, "a"},
		"follows":                    {says("rabbit@b", "follower", 2, 9), nil, harness.Replica, "b"},
		"follows nobody":             {says("", "follower", 2, 9), nil, harness.Unknown, ""},
		"votes":                      {says("rabbit@b", "candidate", 3, 9), nil, harness.Unknown, "b"},
		"has the classic queue":      {says("rabbit@a", "classic", 0, 0), nil, harness.Primary, "a"},
		"knows of the classic queue": {says("rabbit@b", "classic", 0, 0), nil, harness.Proxy, "b"},
		"is stopped":                 {view{}, nil, harness.Unknown, ""},
		"is silent":                  {view{}, errors.New("silent"), harness.Unknown, ""},
	} {
		b := r.belief("a", of.view, of.err)
		require.Equal(t, of.self, b.Self, name)
		require.Equal(t, of.of, b.Primary, name)
		require.Equal(t, of.self == harness.Unknown, b.Err != "", name)
	}
}

// The values of a load are odd numbers only, or every third: one in sixteen of
// those, too, is given back.
func TestOneMessageInSixteenIsGivenBack(t *testing.T) {
	for step := int64(1); step <= 4; step++ {
		n := 0
		for k := range int64(1600) {
			if reluctantly(1 + k*step) {
				n++
			}
		}
		require.InDelta(t, 100, n, 20, "values %d apart", step)
	}
	require.Equal(t, 0, returned(amqp.Delivery{}))
	require.Equal(t, 21, returned(amqp.Delivery{Headers: amqp.Table{"x-delivery-count": int64(21)}}))
}

func TestAMessageIsANumber(t *testing.T) {
	value, err := valueOf(amqp.Delivery{Body: []byte("-12")})
	require.NoError(t, err)
	require.Equal(t, int64(-12), value)
	_, err = valueOf(amqp.Delivery{Body: []byte("12x")})
	require.Error(t, err)
}

// local dials the loopback address of a listener, whatever it is asked for.
type local struct{ addr string }

func (local) Name() string { return "" }

func (l local) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, l.addr)
}

func TestALateAnswerIsNotLostOnWhoeverAsksNext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	thaw, asked := make(chan struct{}), make(chan string, 10)
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			asked <- lines.Text()
			<-thaw
			_, _ = conn.Write([]byte(`{"serves":true,"peers":["x"],"queues":[]}` + "\n"))
		}
	}()
	a := newAsker(local{listener.Addr().String()}, netip.MustParseAddr("127.0.0.1"))
	impatient, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = a.view(impatient)
	require.ErrorContains(t, err, "no answer yet")
	close(thaw)
	patient, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	v, err := a.view(patient)
	require.NoError(t, err)
	require.True(t, v.Serves)
	require.Equal(t, "view", <-asked)
	a.close()
	<-served
	require.Empty(t, asked, "it was asked once")
}
