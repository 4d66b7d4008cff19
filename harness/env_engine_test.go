package harness_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
)

// redisNode is one plain server: the smallest real thing that answers.
func redisNode(env *harness.Env, name string) harness.NodeSpec {
	return harness.NodeSpec{
		Name: name, Component: "redis", Command: []string{"redis-server", "/etc/hadrill/redis.conf"},
		Files: []harness.File{{Path: "/etc/hadrill/redis.conf", Content: []byte("bind 0.0.0.0\nprotected-mode no\nsave \"\"\n")}},
		Ready: func(ctx context.Context, n *harness.Node) error { return ping(ctx, env.Data(), n.Addr()) },
	}
}

func ping(ctx context.Context, from harness.Vantage, addr netip.Addr) error {
	conn, err := from.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, 6379).String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 7)
	if _, err := conn.Read(answer); err != nil {
		return err
	}
	if string(answer) != "+PONG\r\n" {
		return fmt.Errorf("answered %q", answer)
	}
	return nil
}

func TestNodesStartAtTheAddressesPromisedForThem(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east", "west"}})
	second := env.Reserve("two")
	nodes, err := env.Start(ctx, redisNode(env, "one"), redisNode(env, "two"))
	require.NoError(t, err)
	require.Equal(t, second, nodes[1].Addr())
	require.Equal(t, env.Address(0), second, "a reservation comes before the nodes that are started later")
	require.Equal(t, env.Address(1), nodes[0].Addr())
	require.Equal(t, nodes, env.Nodes())
	for _, zone := range []string{"", "east", "west"} {
		from, err := env.Client(zone)
		require.NoError(t, err)
		require.NoError(t, ping(ctx, from, nodes[0].Addr()), "from %q by data address", zone)
	}
	east, ok := nodes[0].AddrIn("east")
	require.True(t, ok)
	from, err := env.Client("east")
	require.NoError(t, err)
	require.NoError(t, ping(ctx, from, east), "from east by its own address")
	require.Contains(t, env.Images()["redis"], "@sha256:")
	require.NotEmpty(t, env.Versions()["redis-server"])
}

// A node on any other network would have a way out of the machine, and a way
// around every partition.
func TestANodeIsOnTheRunsInternalNetworksAndOnNoOther(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east"}})
	nodes, err := env.Start(ctx, redisNode(env, "one"))
	require.NoError(t, err)
	seen, err := env.Engine().Client().ContainerInspect(ctx, nodes[0].ContainerID(), client.ContainerInspectOptions{})
	require.NoError(t, err)
	require.Len(t, seen.Container.NetworkSettings.Networks, 2, "data and east")
	for name := range seen.Container.NetworkSettings.Networks {
		net, err := env.Engine().Client().NetworkInspect(ctx, name, client.NetworkInspectOptions{})
		require.NoError(t, err)
		require.Equal(t, env.Run(), net.Network.Labels[harness.LabelRun], name)
		require.True(t, net.Network.Internal, name)
	}
}

func TestLoadComesFromTheZonesOwnGateway(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east"}})
	nodes, err := env.Start(ctx, redisNode(env, "one"))
	require.NoError(t, err)
	from, err := env.Client("east")
	require.NoError(t, err)
	conn, err := from.DialContext(ctx, "tcp", nodes[0].Addr().String()+":6379")
	require.NoError(t, err)
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	require.NoError(t, err)
	require.Equal(t, env.GatewayOf("east"), local.Addr())
	require.NotEqual(t, env.GatewayOf(""), local.Addr())
}

func TestNothingIsDialledOutsideTheRun(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	for _, address := range []string{"192.0.2.1:80", "127.0.0.1:80", "localhost:80", "[::1]:80", env.GatewayOf("").String() + ":80"} {
		_, err := env.Data().DialContext(ctx, "tcp", address)
		require.Error(t, err, address)
		var netErr net.Error
		require.False(t, errors.As(err, &netErr), "%s must be refused before the network is asked: %v", address, err)
	}
}

func TestADialAfterTheNetworkIsGoneFailsAtOnce(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	nodes, err := env.Start(ctx, redisNode(env, "one"))
	require.NoError(t, err)
	lingering, err := env.Data().DialContext(ctx, "tcp", nodes[0].Addr().String()+":6379")
	require.NoError(t, err)
	defer lingering.Close()
	require.NoError(t, env.Close(ctx))

	began := time.Now()
	_, err = env.Data().DialContext(ctx, "tcp", nodes[0].Addr().String()+":6379")
	require.ErrorIs(t, err, syscall.ENODEV)
	require.Less(t, time.Since(began), 100*time.Millisecond)
}

func TestTwoRunsLiveSideBySide(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	var group sync.WaitGroup
	envs := make([]*harness.Env, 2)
	errs := make([]error, 2)
	for i := range envs {
		group.Go(func() {
			envs[i], errs[i] = harness.NewEnv(ctx, eng, harness.Options{Run: testenv.RunID()})
			if errs[i] == nil {
				_, errs[i] = envs[i].Start(ctx, redisNode(envs[i], "one"))
			}
		})
	}
	group.Wait()
	for i, env := range envs {
		require.NoError(t, errs[i])
		defer env.Close(ctx)
	}
	require.NotEqual(t, envs[0].Address(0), envs[1].Address(0))
	_, err := envs[0].Data().DialContext(ctx, "tcp", envs[1].Address(0).String()+":6379")
	require.ErrorContains(t, err, "outside this run")
	require.NoError(t, envs[0].Close(ctx))
	require.NoError(t, envs[0].Close(ctx), "closing twice is fine")
	require.NoError(t, ping(ctx, envs[1].Data(), envs[1].Address(0)), "the other run is untouched")
	require.NoError(t, envs[1].Close(ctx))
}

func TestAUsedUpPoolSaysWhatToDo(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	const pool = "10.214.7.0/24" // room for one network
	testenv.NewOn(ctx, t, eng, harness.Options{Subnet: pool})
	run := testenv.RunID()
	_, err := harness.NewEnv(ctx, eng, harness.Options{Run: run, Subnet: pool})
	require.ErrorIs(t, err, harness.ErrSubnetsUsedUp)
	require.ErrorContains(t, err, "HADRILL_SUBNET")
	left, err := harness.Residue(ctx, eng, run)
	require.NoError(t, err)
	require.Empty(t, left, "a failed start leaves nothing")
}

func TestLogsAndLifeAreSeenOverARestart(t *testing.T) {
	var mu sync.Mutex
	var lines, life []string
	dir := t.TempDir()
	clock := harness.NewClock()
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{
		Dir: dir, Clock: clock,
		OnLog: func(node string, at int64, line string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, line)
			if at <= 0 || at > clock.Now() {
				t.Errorf("line %q bears time %d, now is %d", line, at, clock.Now())
			}
		},
		OnNode: func(node, what string, at int64, exit int) {
			mu.Lock()
			defer mu.Unlock()
			life = append(life, fmt.Sprintf("%s %s %d", node, what, exit))
		},
	})
	nodes, err := env.Start(ctx, redisNode(env, "one"))
	require.NoError(t, err)
	id := nodes[0].ContainerID()
	_, err = eng.Client().ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	_, err = eng.Client().ContainerStart(ctx, id, client.ContainerStartOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return ping(ctx, env.Data(), nodes[0].Addr()) == nil }, 10*time.Second, 20*time.Millisecond, "same address after the restart")
	const ready = "Ready to accept connections"
	count := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range lines {
			if strings.Contains(l, ready) {
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return count() == 2 }, 5*time.Second, 10*time.Millisecond, "each life's lines come once")
	require.NoError(t, env.Close(ctx))
	require.Equal(t, 2, count())
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{"one start 0", "one die 137", "one start 0", "one die 137"}, life)
	text, err := os.ReadFile(filepath.Join(dir, "nodes", "one.log"))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), ready))
	require.Equal(t, len(lines), strings.Count(string(text), "\n"))
}

func TestANodeThatDiesBeforeItIsReadySaysWhy(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	broken := redisNode(env, "broken")
	broken.Files[0].Content = []byte("no-such-directive yes\n")
	_, err := env.Start(ctx, broken)
	require.ErrorContains(t, err, "ended with code 1 before it was ready")
	require.ErrorContains(t, err, "no-such-directive")
}

func TestCleaningSparesTheLivingAndTakesTheRest(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	nodes, err := env.Start(ctx, redisNode(env, "one"))
	require.NoError(t, err)
	removed, err := harness.CleanAll(ctx, eng, harness.CleanOptions{Run: env.Run()})
	require.NoError(t, err)
	require.Empty(t, removed, "its owner, this process, is alive")
	_, err = eng.Client().ContainerPause(ctx, nodes[0].ContainerID(), client.ContainerPauseOptions{})
	require.NoError(t, err)
	removed, err = harness.CleanAll(ctx, eng, harness.CleanOptions{Run: env.Run(), Force: true})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"container hadrill-" + env.Run() + "-one", "network hadrill-" + env.Run() + "-data"}, removed)
}
