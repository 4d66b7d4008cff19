// Package components holds hadrill's own servers: small programs that stand in
// containers beside the real systems (an echo server for the control lane, a
// backend behind a proxy), built into the very executable that runs the drill.
//
//	go test, hadrill ──▶ engine.Self ──▶ image with this executable at /hadrill
//	                                          │ HADRILL_COMPONENT=echo
//	                                          ▼
//	                     same executable, init() below sees the variable:
//	                     it is the component, and never reaches main
//
// Why an init function: the executable may be the hadrill command, but just as
// well a test binary, whose main is not ours to change. Every program that
// imports this package can therefore be a component, with no second binary to
// build, ship or keep in step. It is the re-execution pattern known from
// container runtimes. Components are registered by package variables, which
// Go initialises before any init function, so none can be missed.
//
// A component reads its settings from HADRILL_* variables. A bad value, an
// unknown name or a missing one is refused at start with one line naming it.
//
// # What every HTTP component understands
//
// The contract of an image that replaces one (HADRILL_IMAGE_BACKEND and its
// like), beside the component's own settings and routes:
//
//	HADRILL_NODE             its name, answered in X-Hadrill-Node
//	HADRILL_PORT             default 8080
//	HADRILL_DRAIN            from "not ready" to no new connections, when it is
//	                         asked to end (SIGTERM); what was begun is ended then
//	HADRILL_END              "drained"; "at-once": it ends as it stands
//	HADRILL_TLS_CERT, _KEY   PEM files: it speaks TLS, and nothing else; renewed
//	                         files are shown from the next handshake on
//	HADRILL_TLS_CLIENTS      PEM file of authorities: mutual TLS, only clients with
//	                         a certificate of theirs are let in
//	HADRILL_CONNECTION_AGE   how long a connection is kept; the next answer ends it
//
//	GET /live   200 while the process can answer
//	GET /ready  200 while requests should be sent here
//	GET /count  answers so far of the component's own routes
package components

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

const (
	// KeyComponent names the component that this process is to be.
	KeyComponent = "HADRILL_COMPONENT"
	// KeyNode is the node's name, which the component answers with.
	KeyNode = "HADRILL_NODE"

	exitUsage    = 64 // bad settings, sysexits(3)
	exitSoftware = 70
)

// run is a component: it serves until ctx ends, then drains and returns.
type run func(ctx context.Context, s *Settings) error

var registry = map[string]run{}

// register is called from package variables, one a component.
func register(name string, r run) struct{} {
	if _, taken := registry[name]; taken {
		panic("components: two components are called " + name)
	}
	registry[name] = r
	return struct{}{}
}

func init() {
	if name, ok := os.LookupEnv(KeyComponent); ok {
		os.Exit(Main(name, os.Environ(), os.Stderr))
	}
}

// Main runs a component until SIGTERM or SIGINT and returns its exit code.
func Main(name string, environ []string, stderr interface{ WriteString(string) (int, error) }) int {
	complain := func(code int, err error) int {
		_, _ = stderr.WriteString(fmt.Sprintf("%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; ")))
		return code
	}
	component, ok := registry[name]
	if !ok {
		known := slices.Sorted(maps.Keys(registry))
		return complain(exitUsage, fmt.Errorf("%s: no such component; known are %s", KeyComponent, strings.Join(known, ", ")))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	settings := newSettings(environ)
	err := component(ctx, settings)
	switch {
	case settings.err != nil:
		return complain(exitUsage, settings.err)
	case err != nil:
		return complain(exitSoftware, err)
	}
	return 0
}
