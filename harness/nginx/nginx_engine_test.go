package nginx_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/nginx"
)

// primaryAndBackup is the very configuration of the row entry/nginx-upstream.
func primaryAndBackup() nginx.Upstream {
	return nginx.Upstream{
		Servers: []nginx.Server{
			{Name: "backend-a", Params: "max_fails=1 fail_timeout=30s"},
			{Name: "backend-b", Params: "backup"},
		},
		ConnectTimeout: time.Second, ReadTimeout: time.Second,
	}
}

func start(ctx context.Context, t *testing.T, env *harness.Env, u nginx.Upstream) *nginx.Running {
	t.Helper()
	began := time.Now()
	running, err := u.Start(ctx, env)
	require.NoError(t, err)
	started := time.Since(began)
	r := running.(*nginx.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("started in %s, settled in %s", started.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return r
}

func kill(ctx context.Context, t *testing.T, env *harness.Env, n *harness.Node) {
	t.Helper()
	_, err := env.Engine().Client().ContainerKill(ctx, n.ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
}

// visitor is an HTTP client from a vantage, one new connection a request.
func visitor(from harness.Vantage) *http.Client {
	return &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
}

func TestClientsSeeNoErrorWhenTheBackupTakesOver(t *testing.T) {
	var mu sync.Mutex
	var declared []string
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east"}, OnLog: func(node string, _ int64, line string) {
		if m, ok := (*nginx.Running)(nil).Milestone(node, line); ok && m.Declared {
			mu.Lock()
			defer mu.Unlock()
			declared = append(declared, m.Text)
		}
	}})
	r := start(ctx, t, env, primaryAndBackup())
	roles := func() (out []harness.Role) {
		for _, b := range r.Beliefs(ctx) {
			out = append(out, b.Self)
		}
		return out
	}
	require.Equal(t, []harness.Role{harness.Proxy, harness.Primary, harness.Replica}, roles())
	require.Equal(t, "backend-a", r.Beliefs(ctx)[0].Primary)

	east, err := env.Client("east")
	require.NoError(t, err)
	web := visitor(east)
	get := func() (status int, node string) {
		response, err := web.Get(r.URL() + "/")
		require.NoError(t, err)
		defer response.Body.Close()
		return response.StatusCode, response.Header.Get("X-Hadrill-Node")
	}
	status, node := get()
	require.Equal(t, 200, status)
	require.Equal(t, "backend-a", node)

	primary, err := harness.Primary.Select(ctx, r)
	require.NoError(t, err)
	require.Equal(t, "backend-a", primary[0].Name())
	kill(ctx, t, env, primary[0])
	for range 20 {
		status, node = get()
		require.Equal(t, 200, status)
		require.Equal(t, "backend-b", node)
	}
	require.Equal(t, []harness.Role{harness.Proxy, harness.Unknown, harness.Primary}, roles())
	require.Equal(t, "backend-b", r.Beliefs(ctx)[0].Primary)
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, []int{have, want})
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(declared) > 0 }, 2*time.Second, 5*time.Millisecond)
	mu.Lock()
	t.Logf("nginx said: %q", declared)
	mu.Unlock()
}

func TestWithoutNextUpstreamClientsSeeEveryFailure(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	u := primaryAndBackup()
	u.NextUpstream, u.Servers[0].Params = "off", "max_fails=0"
	r := start(ctx, t, env, u)
	kill(ctx, t, env, r.Nodes()[1])
	web := visitor(env.Data())
	bad := 0
	for range 5 {
		response, err := web.Get(r.URL() + "/")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		if response.StatusCode == http.StatusBadGateway || response.StatusCode == http.StatusGatewayTimeout {
			bad++
		}
	}
	require.Equal(t, 5, bad, "the twin is known bad")
	require.Equal(t, harness.Unknown, r.Beliefs(ctx)[0].Self, "nobody serves, and nginx names nobody")
}

func TestAPoolOfEqualsHasAsManyPrimariesAsServe(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	r := start(ctx, t, env, nginx.Upstream{Servers: []nginx.Server{{Name: "backend-a"}, {Name: "backend-b"}, {Name: "backend-c"}}, ConnectTimeout: 200 * time.Millisecond})
	primaries := func() (n int) {
		for _, b := range r.Beliefs(ctx) {
			if b.Self == harness.Primary {
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return primaries() == 3 }, 3*time.Second, 10*time.Millisecond)
	kill(ctx, t, env, r.Nodes()[2])
	require.Eventually(t, func() bool { return primaries() == 2 }, 3*time.Second, 10*time.Millisecond)
}
