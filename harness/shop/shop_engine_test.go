package shop_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/components/orders"
	"github.com/hadrill/hadrill/harness/internal/testenv"
	"github.com/hadrill/hadrill/harness/shop"
)

func TestAnOrderHasAsManyEffectsAsItHasKeys(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{})
	running, err := shop.Shop{Caches: 1}.Start(ctx, env)
	require.NoError(t, err)
	r := running.(*shop.Running)
	t.Cleanup(func() { require.NoError(t, r.Stop(context.Background())) })
	require.NoError(t, r.Settle(ctx))
	web := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DialContext: env.Data().DialContext, DisableKeepAlives: true}}
	post := func(instance int, job, key string) (order, replayed string) {
		url := fmt.Sprintf("http://%s:%d/orders?job=%s", r.Nodes()[instance].Addr(), components.DefaultPort, job)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
		require.NoError(t, err)
		if key != "" {
			request.Header.Set(orders.KeyHeader, key)
		}
		answer, err := web.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode, string(body))
		return strings.TrimSpace(string(body)), answer.Header.Get(orders.ReplayedHeader)
	}
	first, replayed := post(0, "7", "seven")
	require.Empty(t, replayed)
	again, replayed := post(1, "7", "seven")
	require.Equal(t, first, again, "the other instance finds the order of that key")
	require.Equal(t, "1", replayed)
	other, _ := post(1, "8", "")
	another, _ := post(0, "8", "")
	require.NotEqual(t, other, another, "without a key they are two orders")

	customer, err := r.OpenJobs(ctx, env.Data())
	require.NoError(t, err)
	defer customer.Close()
	require.NoError(t, customer.Submit(ctx, 9))
	require.NoError(t, customer.Submit(ctx, 9), "a customer's key is the job's")
	require.Eventually(t, func() bool {
		n, err := customer.Pending(ctx)
		return err == nil && n == 0
	}, 20*time.Second, 20*time.Millisecond)
	effects, err := customer.Effects(ctx)
	require.NoError(t, err)
	count := map[uint64]int{}
	for _, e := range effects {
		count[e.Job]++
	}
	require.Equal(t, map[uint64]int{7: 1, 8: 2, 9: 1}, count)
	have, want, err := r.Redundancy(ctx)
	require.NoError(t, err)
	require.Equal(t, []int{2, 2}, []int{have, want})

	price := func(seen string) string {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL()+"/items?id=7", nil)
		require.NoError(t, err)
		request.Header.Set(orders.SeenHeader, seen)
		answer, err := web.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return strings.TrimSpace(string(body))
	}
	require.Equal(t, "700", price(""))
	answer, err := web.Post(r.URL()+"/items?id=7&price=5", "", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.NotEmpty(t, answer.Header.Get(orders.SeenHeader))
	require.Equal(t, "5", price(answer.Header.Get(orders.SeenHeader)), "who has written reads past the cache")
	require.Equal(t, "700", price(""), "and nobody else does, for a second or as long as nobody asks")
}
