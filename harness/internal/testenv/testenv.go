// Package testenv gives the harness's own tests a run against the real engine
// that cannot be forgotten: it is closed with the test, must leave nothing
// behind, and must end every goroutine it began.
package testenv

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
)

// Limit bounds one test's context.
const Limit = 100 * time.Second

// Engine connects to the engine. Without one the test fails: an unexercised
// harness must not look tested. Under -short the test is skipped.
func Engine(t testing.TB) (context.Context, *engine.Engine) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the container engine")
	}
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if !t.Failed() {
			goleak.VerifyNone(t, before)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	t.Cleanup(cancel)
	eng, err := engine.Connect(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	return ctx, eng
}

// New makes an Env; options.Run and options.Dir are filled in when empty.
func New(t testing.TB, o harness.Options) (context.Context, *harness.Env) {
	t.Helper()
	ctx, eng := Engine(t)
	return ctx, NewOn(ctx, t, eng, o)
}

// NewOn makes an Env on an engine that the test already has.
func NewOn(ctx context.Context, t testing.TB, eng *engine.Engine, o harness.Options) *harness.Env {
	t.Helper()
	if o.Run == "" {
		o.Run = RunID()
	}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	env, err := harness.NewEnv(ctx, eng, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		began := time.Now()
		require.NoError(t, env.Close(ctx))
		t.Logf("closed in %s", time.Since(began).Round(time.Millisecond))
		left, err := harness.Residue(ctx, eng, o.Run)
		require.NoError(t, err)
		left = slices.DeleteFunc(left, func(l string) bool { return slices.Contains(env.Kept(), l) })
		require.Empty(t, left, "the run left something behind")
	})
	return env
}

// RunID is a fresh run id.
func RunID() string {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return "test-" + hex.EncodeToString(b[:])
}
