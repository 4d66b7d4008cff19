package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
	"golang.org/x/sync/singleflight"
)

const (
	defaultSocket = "/var/run/docker.sock"
	pingTimeout   = 5 * time.Second
	// defaultBridge is the network that the engine always has.
	defaultBridge = "bridge"
	// loopback is where published ports are dialled, and nowhere else.
	loopback = "127.0.0.1"
)

// Engine is a connection to the local container engine. It is safe for
// concurrent use. Close it when done; containers it started go on living.
type Engine struct {
	client   *client.Client
	provider *testcontainers.DockerProvider
	socket   string
	flight   singleflight.Group
	self     selfCache
}

// Connect finds the running container engine on this machine.
//
// The engine is the one named by DOCKER_HOST if that is a unix socket, else
// the one on the system's socket, else the user's own (rootless) one. An
// engine on another machine is refused: faults and load must stay on this one.
// Nothing is installed or started; see [Setup] for that.
//
// Connect sets TESTCONTAINERS_HOST_OVERRIDE and TESTCONTAINERS_RYUK_DISABLED
// for the process. Without the first, testcontainers takes the default gateway
// for the engine's address on any host that has a /.dockerenv file, and sends
// its traffic off the machine. The second is because hadrill's agent cleans up
// itself, and the reaper's image need not be reachable.
//
// errors.Is(err, ErrNoEngine) tells that none answered.
func Connect(ctx context.Context) (*Engine, error) {
	return connect(ctx, socketCandidates(os.Getenv))
}

func connect(ctx context.Context, candidates []string) (*Engine, error) {
	socket, err := answering(ctx, candidates)
	if err != nil {
		return nil, err
	}
	if err := prepareEnvironment(socket); err != nil {
		return nil, err
	}
	direct, err := client.New(client.WithHost("unix://" + socket))
	if err != nil {
		return nil, fmt.Errorf("open engine %s: %w", socket, err)
	}
	options := testcontainers.Generic2DockerOptions(testcontainers.WithLogger(tclog.NewNoopLogger()))
	// Not told that the engine has a bridge of its own, the library makes
	// another, with a way out of the machine, and joins every container to it
	// beside the networks that were asked for.
	options = append(options, testcontainers.WithDefaultBridgeNetwork(defaultBridge))
	provider, err := testcontainers.NewDockerProvider(options...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open testcontainers provider on %s: %w", socket, err), direct.Close())
	}
	engine := &Engine{client: direct, provider: provider, socket: socket}
	if err := engine.verifyLocal(ctx); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return engine, nil
}

// Client is the engine's API client.
func (e *Engine) Client() *client.Client { return e.client }

// Provider is testcontainers' provider on the same engine.
func (e *Engine) Provider() *testcontainers.DockerProvider { return e.provider }

// Socket is the path of the engine's unix socket.
func (e *Engine) Socket() string { return e.socket }

// Close closes both clients.
func (e *Engine) Close() error {
	return errors.Join(e.client.Close(), e.provider.Close())
}

// socketCandidates lists where an engine may listen, best first. A DOCKER_HOST
// is taken at its word: it is the only candidate, whatever it says.
func socketCandidates(getenv func(string) string) []string {
	if host := getenv("DOCKER_HOST"); host != "" {
		return []string{host}
	}
	candidates := []string{"unix://" + defaultSocket}
	if runtime := getenv("XDG_RUNTIME_DIR"); runtime != "" {
		candidates = append(candidates, "unix://"+runtime+"/docker.sock")
	}
	return candidates
}

// answering returns the path of the first socket behind which an engine answers.
func answering(ctx context.Context, candidates []string) (string, error) {
	var why []string
	for _, host := range candidates {
		socket, isUnix := strings.CutPrefix(host, "unix://")
		if !isUnix {
			return "", &Problem{
				What:   "engine " + host,
				Why:    "it is not on a unix socket of this machine; faults and load must stay here",
				Remedy: "unset DOCKER_HOST, or point it to a local unix:// socket",
				Cause:  ErrNoEngine,
			}
		}
		err := ping(ctx, socket)
		if err == nil {
			return socket, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("look for the engine on %s: %w", socket, ctx.Err())
		}
		why = append(why, socket+": "+brief(err))
	}
	remedy := "run `hadrill setup` as root, or install and start Docker (Debian and Ubuntu: apt-get install docker.io)"
	if strings.Contains(strings.Join(why, " "), "permission denied") {
		remedy = "let this user use the engine (usermod -aG docker USER, then log in again), or run as root"
	}
	return "", &Problem{What: ErrNoEngine.Error() + " answers", Why: strings.Join(why, "; "), Remedy: remedy, Cause: ErrNoEngine}
}

// ping asks the engine behind a socket for a sign of life. The client library
// hides why a dial failed, so the socket is dialled plainly first.
func ping(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	_ = conn.Close()
	probe, err := client.New(client.WithHost("unix://" + socket))
	if err != nil {
		return err
	}
	defer probe.Close()
	_, err = probe.Ping(ctx, client.PingOptions{})
	return err
}

// brief shortens a dial error to the part a reader needs.
func brief(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such socket"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer in %s", pingTimeout)
	}
	return err.Error()
}

var quiet sync.Once

// prepareEnvironment tells testcontainers what it must not guess. Its own
// settings come from the environment only, and are read once a process.
func prepareEnvironment(socket string) error {
	quiet.Do(func() { tclog.SetDefault(tclog.NewNoopLogger()) })
	settings := map[string]string{
		"TESTCONTAINERS_HOST_OVERRIDE": loopback,
		"TESTCONTAINERS_RYUK_DISABLED": "true",
	}
	if socket != defaultSocket {
		settings["DOCKER_HOST"] = "unix://" + socket
	}
	for key, value := range settings {
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("set %s: %w", key, err)
		}
	}
	return nil
}

// verifyLocal refuses a provider that would dial anything but loopback, or
// that found another engine than we did (through a properties file, say).
func (e *Engine) verifyLocal(ctx context.Context) error {
	host, err := e.provider.DaemonHost(ctx)
	if err != nil {
		return fmt.Errorf("ask testcontainers for the engine's address: %w", err)
	}
	if address := net.ParseIP(host); address == nil || !address.IsLoopback() {
		return &Problem{
			What:   "testcontainers dials the engine at " + host,
			Why:    "only loopback keeps load and faults on this machine",
			Remedy: "remove host overrides from ~/.testcontainers.properties and the environment",
			Cause:  ErrNoEngine,
		}
	}
	if daemon := e.provider.Client().DaemonHost(); daemon != "unix://"+e.socket {
		return &Problem{
			What:   "testcontainers talks to " + daemon,
			Why:    "hadrill found the engine on " + e.socket + " and both must be the same",
			Remedy: "remove tc.host and docker.host from ~/.testcontainers.properties, or set DOCKER_HOST",
			Cause:  ErrNoEngine,
		}
	}
	if !e.provider.Config().Config.RyukDisabled {
		return &Problem{
			What:   "testcontainers' reaper is on",
			Why:    "its settings were read before hadrill could turn it off",
			Remedy: "set TESTCONTAINERS_RYUK_DISABLED=true in the environment",
			Cause:  ErrNoEngine,
		}
	}
	return nil
}
