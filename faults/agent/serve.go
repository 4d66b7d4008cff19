package agent

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness"
)

// Environment of the agent and the sitter. A value of envRole makes this
// executable serve in that role instead of doing what its main does.
const (
	envRole   = "HADRILL_AGENT"
	envRun    = "HADRILL_AGENT_RUN"
	envName   = "HADRILL_AGENT_NAME"   // the agent's own container
	envSocket = "HADRILL_AGENT_SOCKET" // the engine's unix socket
	envImage  = "HADRILL_AGENT_IMAGE"  // for the sitter: the image with this executable

	roleServe  = "serve"
	roleSitter = "sitter"

	rolePart = harness.PartAgent // value of harness.LabelRole
)

// An init function and not main: see the package documentation.
func init() {
	switch os.Getenv(envRole) {
	case "":
	case roleServe:
		os.Exit(serveMain())
	case roleSitter:
		os.Exit(sitterMain())
	case roleBallast:
		os.Exit(ballastMain())
	default:
		fmt.Fprintf(os.Stderr, "%s=%q: want %q or %q\n", envRole, os.Getenv(envRole), roleServe, roleSitter)
		os.Exit(64)
	}
}

// serveMain is the agent's life: serve, and when the stream ends without a
// goodbye heal, remove the whole run, and at last this very container.
func serveMain() int {
	// The stream's end is the only order to leave. A signal meant for the
	// runner's terminal must not end the one who heals.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGPIPE)
	ctx := context.Background()
	host, err := newHost(os.Getenv(envRun), os.Getenv(envSocket), cgroupRoot)
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		return 1
	}
	s, err := newServer(ctx, host, recordDir, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		return 1
	}
	s.event(Event{At: monotonic(), Kind: EventConnected})
	// Each reason to end the run is told once; the first decides.
	ended := make(chan bool, 2)
	go func() { ended <- s.serve(ctx, os.Stdin) }()
	go func() {
		select {
		case <-s.heard:
		case <-time.After(helloLimit):
			ended <- false
		}
	}()
	if orderly := <-ended; orderly {
		s.close()
		return 0 // the client removes this container and the record
	}
	return s.orphaned(ctx)
}

// orphaned heals and removes everything of the run. Healing comes first and at
// once; removing takes as long as the engine does.
func (s *server) orphaned(ctx context.Context) int {
	code := 0
	if err := s.healAll(ctx, true); err != nil {
		fmt.Fprintln(os.Stderr, "agent: heal:", err)
		code = 4
	}
	s.watcher.stop()
	self, err := s.host.engine.ContainerInspect(ctx, os.Getenv(envName), client.ContainerInspectOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent: find itself:", err)
		return 4
	}
	r := &reaper{engine: s.host.engine, run: s.host.run, spare: self.Container.ID, thaw: s.host.thawContainer}
	if err := r.untilQuiet(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		return 4 // the record stays: `hadrill clean` goes on from it
	}
	// The engine goes on removing when this process, the asker, is dead.
	_, err = s.host.engine.ContainerRemove(ctx, self.Container.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent: remove itself:", err)
		return 4
	}
	return code
}
