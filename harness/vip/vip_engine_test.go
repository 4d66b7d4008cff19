package vip_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/vip"
)

func start(ctx context.Context, t *testing.T, env *harness.Env, p vip.Pair) *vip.Running {
	t.Helper()
	began := time.Now()
	running, err := p.Start(ctx, env)
	require.NoError(t, err)
	started := time.Since(began)
	r := running.(*vip.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("started in %s, settled in %s", started.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return r
}

func owner(ctx context.Context, t *testing.T, r *vip.Running) *harness.Node {
	t.Helper()
	nodes, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.Len(t, nodes, 1, "owners of the address")
	return nodes[0]
}

func signal(ctx context.Context, t *testing.T, env *harness.Env, n *harness.Node, name string) {
	t.Helper()
	_, err := env.Engine().Client().ContainerKill(ctx, n.ContainerID(), client.ContainerKillOptions{Signal: name})
	require.NoError(t, err)
}

// get asks at the shared address over a new connection.
func get(ctx context.Context, env *harness.Env, r *vip.Running) error {
	ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL()+"/", nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Transport{DialContext: env.Data().DialContext, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func TestTheAddressGoesWhereSomebodyServes(t *testing.T) {
	for name, declared := range map[string]vip.Pair{
		"nginx":   {Proxy: vip.Nginx, CheckInterval: 200 * time.Millisecond, Arbiter: true},
		"haproxy": {Proxy: vip.HAProxy, CheckInterval: 200 * time.Millisecond, BackendCheck: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, env := testenv.New(t, harness.Options{})
			r := start(ctx, t, env, declared)
			first := owner(ctx, t, r)
			require.NoError(t, get(ctx, env, r))

			signal(ctx, t, env, first, "USR1") // the proxy dies, keepalived lives
			moved := func() bool {
				nodes, err := harness.Primary.Select(ctx, r)
				return err == nil && len(nodes) == 1 && nodes[0] != first && get(ctx, env, r) == nil
			}
			require.Eventually(t, moved, 10*time.Second, 20*time.Millisecond, "the check finds a dead proxy")
			second := owner(ctx, t, r)

			signal(ctx, t, env, first, "USR2") // the proxy is started again
			require.NoError(t, r.Settle(ctx))
			require.Equal(t, second, owner(ctx, t, r), "nothing moves because somebody came back")

			signal(ctx, t, env, second, "KILL")
			moved = func() bool {
				nodes, err := harness.Primary.Select(ctx, r)
				return err == nil && len(nodes) == 1 && nodes[0] == first && get(ctx, env, r) == nil
			}
			require.Eventually(t, moved, 10*time.Second, 20*time.Millisecond, "silence finds a dead machine")
			have, want, err := r.Redundancy(ctx)
			require.NoError(t, err)
			require.Equal(t, []int{3, 4}, []int{have, want})
		})
	}
}
