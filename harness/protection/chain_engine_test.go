package protection_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/protection"
)

// A dead dependency is answered for by the fallback, marked; the service is
// restarted by nobody, unless its liveness asks the dependency.
func TestADeadDependencyDegradesARouteAndRestartsWhoeverCallsItLife(t *testing.T) {
	starts := make(chan string, 64)
	ctx, env := testenv.New(t, harness.Options{OnNode: func(node, what string, _ int64, _ int) {
		if what == "start" {
			starts <- node
		}
	}})
	chain := protection.Chain{
		Liveness: protection.OfDependency, Supervise: 50 * time.Millisecond,
		Routes: []gateway.Route{{
			Name: "dependent", Path: "/dependent", Timeout: protect.Duration(300 * time.Millisecond), Attempts: 1,
			Config: protect.Config{Fallback: &protect.FallbackConfig{Body: "something"}},
		}},
	}
	running, err := chain.Start(ctx, env)
	require.NoError(t, err)
	r := running.(*protection.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(context.WithoutCancel(ctx))) })
	require.NoError(t, r.Settle(ctx))
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	assert.Equal(t, [2]int{1, 1}, [2]int{have, want})
	for range 3 { // gateway, service, dependency
		select {
		case <-starts:
		case <-ctx.Done():
			t.Fatal("the engine said of fewer than three containers that they started")
		}
	}

	visitor := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DialContext: env.Data().DialContext, DisableKeepAlives: true}}
	get := func() (string, string) {
		answer, err := visitor.Get(r.URL() + "/dependent")
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		return answer.Header.Get(protect.DegradedHeader), string(body)
	}
	marked, body := get()
	assert.Empty(t, marked)
	assert.Equal(t, "ok "+protection.ServiceName(0)+"\n", body)

	nodes, err := harness.Named(protection.DependencyName).Select(ctx, r)
	require.NoError(t, err)
	_, err = env.Engine().Client().ContainerKill(ctx, nodes[0].ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	marked, body = get()
	assert.NotEmpty(t, marked)
	assert.Equal(t, "something", body)
	select {
	case node := <-starts:
		assert.Equal(t, protection.ServiceName(0), node)
	case <-ctx.Done():
		t.Fatal("nobody restarted the service")
	}
}
