package harness_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/testenv"
)

func TestANodeHasItsDisksBeforeItStarts(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Chmod(folder, 0o777))
	var name string
	var made harness.Disk
	ctx, env := testenv.New(t, harness.Options{MakeDisk: func(_ context.Context, n string, d harness.Disk) (string, error) {
		name, made = n, d
		return folder, nil
	}})
	spec := redisNode(env, "one")
	spec.Files[0].Content = append(spec.Files[0].Content, "dir /data\nappendonly yes\n"...)
	spec.Disks = []harness.Disk{{Path: "/data", Interposed: true}}
	_, err := env.Start(ctx, spec)
	require.NoError(t, err)
	assert.Equal(t, "one-1", name)
	assert.Equal(t, harness.Disk{Path: "/data", SizeMB: 64, Interposed: true}, made)
	assert.DirExists(t, filepath.Join(folder, "appendonlydir"), "the server writes there")
}

func TestADiskThatCannotBeMadeIsNamed(t *testing.T) {
	fail := errors.New("no loop device")
	ctx, env := testenv.New(t, harness.Options{MakeDisk: func(context.Context, string, harness.Disk) (string, error) { return "", fail }})
	spec := redisNode(env, "one")
	spec.Disks = []harness.Disk{{Path: "/data"}}
	_, err := env.Start(ctx, spec)
	require.ErrorIs(t, err, fail)
	assert.ErrorContains(t, err, "start node one: make disk /data")

	ctx, env = testenv.New(t, harness.Options{})
	spec = redisNode(env, "one")
	spec.Disks = []harness.Disk{{Path: "/data"}}
	_, err = env.Start(ctx, spec)
	assert.ErrorContains(t, err, "nobody to make them")
}
