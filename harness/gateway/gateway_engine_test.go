package gateway_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/harness/gateway"
	"github.com/hadrill/hadrill/harness/internal/testenv"
)

func start(ctx context.Context, t *testing.T, env *harness.Env, p gateway.Pool) *gateway.Running {
	t.Helper()
	began := time.Now()
	r, err := p.StartPool(ctx, env)
	require.NoError(t, err)
	started := time.Since(began)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("started in %s, settled in %s", started.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return r
}

func signal(ctx context.Context, t *testing.T, env *harness.Env, n *harness.Node, name string) {
	t.Helper()
	_, err := env.Engine().Client().ContainerKill(ctx, n.ContainerID(), client.ContainerKillOptions{Signal: name})
	require.NoError(t, err)
}

// roles are what every node is, by name.
func roles(ctx context.Context, r *gateway.Running) map[string]harness.Role {
	out := map[string]harness.Role{}
	for _, b := range r.Beliefs(ctx) {
		out[b.Node] = b.Self
	}
	return out
}

func TestARegisteredPoolFollowsItsServices(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	r := start(ctx, t, env, gateway.Pool{
		Gateways: 2, Services: 2, Lease: 2 * time.Second, Drain: 500 * time.Millisecond,
		Registry: &etcd.Cluster{Members: 1},
	})
	require.Equal(t, map[string]harness.Role{
		"gateway-1": harness.Proxy, "gateway-2": harness.Proxy, "service-1": harness.Primary, "service-2": harness.Primary, "etcd-1": harness.Arbiter,
	}, roles(ctx, r))
	leader, err := gateway.RegistryLeader.Select(ctx, r)
	require.NoError(t, err)
	require.Equal(t, "etcd-1", leader[0].Name())

	// Told to end, a service is out of every rotation while it still answers.
	signal(ctx, t, env, r.Nodes()[2], "TERM")
	require.Eventually(t, func() bool { return roles(ctx, r)["service-1"] != harness.Primary }, 10*time.Second, 10*time.Millisecond)

	// Killed, without checks, it is out when its lease is over.
	killed := time.Now()
	signal(ctx, t, env, r.Nodes()[3], "KILL")
	time.Sleep(500 * time.Millisecond)
	require.Equal(t, harness.Primary, roles(ctx, r)["service-2"], "nobody but its lease speaks against it")
	// The registry then names nobody, which is not believed: the last stays.
	time.Sleep(4*time.Second - time.Since(killed))
	require.Equal(t, harness.Primary, roles(ctx, r)["service-2"])
	_, err = env.Engine().Client().ContainerStart(ctx, r.Nodes()[2].ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		now := roles(ctx, r)
		return now["service-1"] == harness.Primary && now["service-2"] == harness.Unknown
	}, 10*time.Second, 10*time.Millisecond, "now it names somebody")
}

func TestAGatewayBeforeItsRegistryServesWhenItComes(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	r := start(ctx, t, env, gateway.Pool{Services: 1, Registry: &etcd.Cluster{Members: 1}, Route: proxy.Route{Health: &proxy.Health{}}})
	registry, front := r.Nodes()[2], r.Nodes()[0]
	signal(ctx, t, env, registry, "KILL")
	signal(ctx, t, env, front, "KILL")
	engine := env.Engine().Client()
	stopped := func(n *harness.Node) bool {
		i, err := engine.ContainerInspect(ctx, n.ContainerID(), client.ContainerInspectOptions{})
		return err == nil && !i.Container.State.Running
	}
	require.Eventually(t, func() bool { return stopped(registry) && stopped(front) }, 10*time.Second, 10*time.Millisecond)
	_, err := engine.ContainerStart(ctx, front.ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	// It kept the last known instances in a file, and serves from that.
	web := &http.Client{Timeout: time.Second, Transport: &http.Transport{DialContext: env.Data().DialContext, DisableKeepAlives: true}}
	get := func() (int, string) {
		answer, err := web.Get(r.URL() + "/")
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	require.Eventually(t, func() bool { status, _ := get(); return status == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
	_, err = engine.ContainerStart(ctx, registry.ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	require.NoError(t, r.Settle(ctx))
}
