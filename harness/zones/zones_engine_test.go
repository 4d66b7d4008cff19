package zones_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/mysql"
	"github.com/hadrill/hadrill/harness/vip"
	"github.com/hadrill/hadrill/harness/zones"
)

func names(ctx context.Context, t *testing.T, sys harness.Running, zone string) (out []string) {
	t.Helper()
	nodes, err := harness.InZone(zone).Select(ctx, sys)
	require.NoError(t, err)
	for _, n := range nodes {
		out = append(out, n.Name())
	}
	slices.Sort(out)
	return out
}

func TestOneZoneServesAllWhenTheOtherDies(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{zones.B}})
	began := time.Now()
	running, err := zones.Dual{
		Entry: vip.Pair{Proxy: vip.Nginx, CheckInterval: 200 * time.Millisecond, Arbiter: true, Zones: zones.All()},
		Data:  mysql.SemiSync{Replicas: 2, Acks: 1, Zones: zones.All()},
	}.Start(ctx, env)
	require.NoError(t, err)
	r := running.(*zones.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(ctx)) })
	require.NoError(t, r.Settle(ctx))
	t.Logf("started and settled in %s", time.Since(began).Round(time.Millisecond))

	require.Equal(t, []string{"backend-1", "entry-1", "mysql-1"}, names(ctx, t, r, zones.A))
	require.Equal(t, []string{"backend-2", "entry-2", "mysql-2"}, names(ctx, t, r, zones.B))
	require.Equal(t, []string{"arbiter", "mysql-3"}, names(ctx, t, r, zones.Witness))

	from, err := env.Client(zones.B)
	require.NoError(t, err)
	user, err := r.OpenSet(ctx, from)
	require.NoError(t, err)
	t.Cleanup(func() { _ = user.Close() })
	add := func(element int64) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return user.Add(ctx, 1, element)
	}
	require.NoError(t, add(1))

	doomed, err := harness.InZone(zones.A).Select(ctx, r)
	require.NoError(t, err)
	for _, n := range doomed {
		_, err := env.Engine().Client().ContainerKill(ctx, n.ContainerID(), client.ContainerKillOptions{Signal: "KILL"})
		require.NoError(t, err)
	}
	next := int64(2)
	require.Eventually(t, func() bool { next++; return add(next) == nil }, 30*time.Second, 100*time.Millisecond, "the other zone's database takes writes")
	web := &http.Client{Timeout: time.Second, Transport: &http.Transport{DialContext: env.Data().DialContext, DisableKeepAlives: true}}
	require.Eventually(t, func() bool {
		answer, err := web.Get(r.URL() + "/")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, 15*time.Second, 100*time.Millisecond, "the other zone's entry has the address")
	elements, err := user.Elements(ctx, 1)
	require.NoError(t, err)
	require.Contains(t, elements, int64(1))
	require.Contains(t, elements, next)
}
