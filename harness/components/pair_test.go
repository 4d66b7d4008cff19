package components_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
	"github.com/hadrill/hadrill/harness/internal/testenv"
)

func TestAWitnessSeesItsPeerFreezeAndComeBack(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	began := time.Now()
	running, err := components.Pair{}.Start(ctx, env)
	require.NoError(t, err)
	settle := func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return running.(harness.Settler).Settle(ctx)
	}
	require.NoError(t, settle())
	t.Logf("started and settled in %s", time.Since(began).Round(time.Millisecond))
	witness, err := netip.ParseAddrPort(strings.TrimPrefix(running.(harness.HTTPServer).URL(), "http://"))
	require.NoError(t, err)
	says := func(route string) string {
		answer, err := probe.Once(ctx, env.Data(), witness, route)
		require.NoError(t, err)
		return answer.Body
	}
	for _, route := range []string{"/tcp", "/datagrams", "/heard", "/clock", "/connect", "/close", "/kept", "/bulk", "/work", "/room", "/name"} {
		require.Equal(t, "well witness", says(route), route)
	}
	subject := running.Nodes()[1].ContainerID()
	_, err = env.Engine().Client().ContainerPause(ctx, subject, client.ContainerPauseOptions{})
	require.NoError(t, err)
	time.Sleep(250 * time.Millisecond) // longer than the silence that counts
	require.Equal(t, "nothing was heard from the peer", says("/heard"))
	require.Equal(t, "a datagram was lost", says("/datagrams"))
	require.Contains(t, says("/tcp"), "ask the peer")
	require.Contains(t, says("/clock"), "ask the peer")
	_, err = env.Engine().Client().ContainerUnpause(ctx, subject, client.ContainerUnpauseOptions{})
	require.NoError(t, err)
	require.NoError(t, settle())
}

func TestAPairRefusesNodesThatItDoesNotHave(t *testing.T) {
	for _, p := range []components.Pair{{Watched: "nobody"}, {Asked: "bystander"}} {
		_, err := p.Start(t.Context(), nil)
		require.ErrorContains(t, err, "pair: ")
	}
}
