package harness_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
)

// freeze stops a container past the engine, as a fault does: the engine goes
// on saying that it runs.
func freeze(t *testing.T, id string) {
	t.Helper()
	for path, word := range map[string]string{
		"/sys/fs/cgroup/freezer/docker/" + id + "/freezer.state":                    "FROZEN",
		"/sys/fs/cgroup/freezer/system.slice/docker-" + id + ".scope/freezer.state": "FROZEN",
		"/sys/fs/cgroup/docker/" + id + "/cgroup.freeze":                            "1",
		"/sys/fs/cgroup/system.slice/docker-" + id + ".scope/cgroup.freeze":         "1",
	} {
		if os.WriteFile(path, []byte(word), 0) == nil {
			return
		}
	}
	t.Skip("freezing past the engine needs root and a cgroup freezer")
}

func TestAFrozenLeftoverIsThawedAndRemoved(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{ClientZones: []string{"east"}})
	nodes, err := env.Start(ctx, redisNode(env, "one"))
	require.NoError(t, err)
	freeze(t, nodes[0].ContainerID())
	require.Error(t, ping(ctx, env.Data(), nodes[0].Addr()), "it is frozen")

	began := time.Now()
	removed, err := harness.CleanAll(ctx, eng, harness.CleanOptions{Run: env.Run(), Force: true})
	require.NoError(t, err)
	require.Len(t, removed, 3)
	t.Logf("removed %v in %s", removed, time.Since(began).Round(time.Millisecond))
}
