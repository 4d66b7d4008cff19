package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
)

// closeLimit bounds the end of a life that was cut short.
const closeLimit = 30 * time.Second

// Life measures what a drill on a system costs beside the drill, b.N times:
// how long from no network to a system that has settled and from there to
// nothing left, and the memory that its processes hold once it has settled.
//
//	go test ./harness/redis -run '^$' -bench Life -benchtime 7x
func Life(b *testing.B, system harness.System) {
	b.Helper()
	ctx, eng := Engine(b)
	times := map[string][]float64{}
	note := func(part string, v float64) { times[part] = append(times[part], v) }
	for range b.N {
		live(ctx, b, eng, system, note)
	}
	for _, part := range []string{"started-s", "ready-s", "memory-MiB", "closed-s"} {
		v := times[part]
		slices.Sort(v)
		n := len(v)
		b.ReportMetric(v[n/2], part)
		b.Logf("%s: median %.2f, min %.2f, max %.2f, n=%d", part, v[n/2], v[0], v[n-1], n)
	}
}

// live lives one life. One that is cut short leaves nothing behind either.
func live(ctx context.Context, b *testing.B, eng *engine.Engine, system harness.System, note func(part string, v float64)) {
	b.Helper()
	began := time.Now()
	env, err := harness.NewEnv(ctx, eng, harness.Options{Run: RunID(), Dir: b.TempDir()})
	require.NoError(b, err)
	closed := false
	defer func() {
		if !closed {
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
			defer cancel()
			require.NoError(b, env.Close(rest))
		}
	}()
	running, err := system.Start(ctx, env)
	require.NoError(b, err)
	note("started-s", time.Since(began).Seconds())
	if s, ok := running.(harness.Settler); ok {
		require.NoError(b, s.Settle(ctx))
	}
	note("ready-s", time.Since(began).Seconds())
	held, err := memoryOfAll(ctx, eng.Client(), running.Nodes())
	require.NoError(b, err)
	note("memory-MiB", held)
	if s, ok := running.(harness.Stopper); ok {
		require.NoError(b, s.Stop(ctx))
	}
	ending := time.Now()
	closed = true
	require.NoError(b, env.Close(ctx))
	note("closed-s", time.Since(ending).Seconds())
}

// memoryOfAll asks about all nodes at once: the engine takes its time for each.
func memoryOfAll(ctx context.Context, c *client.Client, nodes []*harness.Node) (total float64, err error) {
	held := make([]float64, len(nodes))
	group, ctx := errgroup.WithContext(ctx)
	for i, n := range nodes {
		group.Go(func() (err error) {
			held[i], err = memoryOf(ctx, c, n.ContainerID())
			return err
		})
	}
	err = group.Wait()
	for _, h := range held {
		total += h
	}
	return total, err
}

// memoryOf is what a container's processes hold, in MiB: anonymous memory and
// not the page cache, which the kernel takes back when somebody needs it.
func memoryOf(ctx context.Context, c *client.Client, container string) (float64, error) {
	answer, err := c.ContainerStats(ctx, container, client.ContainerStatsOptions{})
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", container, err)
	}
	defer answer.Body.Close()
	var stats struct {
		Memory struct {
			Stats map[string]uint64 `json:"stats"`
		} `json:"memory_stats"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		return 0, fmt.Errorf("memory of %s: %w", container, err)
	}
	for _, name := range []string{"total_rss", "anon"} { // control groups v1, v2
		if held, ok := stats.Memory.Stats[name]; ok {
			return float64(held) / (1 << 20), nil
		}
	}
	return 0, fmt.Errorf("memory of %s: the engine tells neither total_rss nor anon", container)
}
