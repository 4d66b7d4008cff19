package engine

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connected gives the tests that need one the real engine. Without one they
// fail, and say what to do; only -short leaves them out.
func connected(t *testing.T) *Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the container engine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	engine, err := Connect(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, engine.Close()) })
	return engine
}

func TestConnectFindsALocalEngine(t *testing.T) {
	engine := connected(t)
	assert.NotEmpty(t, engine.Socket())
	host, err := engine.Provider().DaemonHost(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1", host)
	assert.Equal(t, "true", os.Getenv("TESTCONTAINERS_RYUK_DISABLED"))
}

func TestSocketCandidates(t *testing.T) {
	for _, c := range []struct {
		name        string
		environment map[string]string
		want        []string
	}{
		{"nothing said", nil, []string{"unix:///var/run/docker.sock"}},
		{"rootless beside the system's", map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}, []string{"unix:///var/run/docker.sock", "unix:///run/user/7/docker.sock"}},
		{"the user's word is the only candidate", map[string]string{"DOCKER_HOST": "tcp://192.0.2.1:2375", "XDG_RUNTIME_DIR": "/run/user/7"}, []string{"tcp://192.0.2.1:2375"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, socketCandidates(func(key string) string { return c.environment[key] }))
		})
	}
}

func TestNoEngineIsAProblemWithARemedy(t *testing.T) {
	stale := filepath.Join(t.TempDir(), "stale.sock")
	listener, err := net.Listen("unix", stale)
	require.NoError(t, err)
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())

	for _, c := range []struct{ name, host, why string }{
		{"absent socket", "unix:///nonexistent/docker.sock", "no such socket"},
		{"socket without a listener", "unix://" + stale, "connection refused"},
		{"engine on another machine", "tcp://192.0.2.1:2375", "not on a unix socket"},
		{"engine over ssh", "ssh://user@192.0.2.1", "not on a unix socket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := connect(t.Context(), []string{c.host})
			require.ErrorIs(t, err, ErrNoEngine)
			var problem *Problem
			require.ErrorAs(t, err, &problem)
			assert.Contains(t, problem.Why, c.why)
			assert.NotEmpty(t, problem.Remedy)
		})
	}
}

func TestTheFirstAnsweringSocketIsTaken(t *testing.T) {
	socket := fakeEngine(t)
	got, err := answering(t.Context(), []string{"unix:///nonexistent/docker.sock", "unix://" + socket})
	require.NoError(t, err)
	assert.Equal(t, socket, got)
}

// fakeEngine answers pings on a socket of its own.
func fakeEngine(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	serveFake(t, socket)
	return socket
}

func serveFake(t *testing.T, socket string) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Ostype", "linux")
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}
