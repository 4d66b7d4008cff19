package components

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/hadrill/hadrill/harness"
)

var _ = register("echo", runEcho)

// runEcho is the echo server: it answers and nothing else. In every drill one
// stands untouched beside the system; the gaps in its answers are the noise of
// the machine and of the load generator, the floor under every figure.
func runEcho(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	srv.handle("GET /", func(w http.ResponseWriter, _ *http.Request) { srv.answer(w, http.StatusOK, "ok "+srv.node) })
	if err := s.Check(); err != nil {
		return err
	}
	return srv.serve(ctx)
}

// Echo is a System of one echo server: what calibration takes away for a known
// time. The zero value is ready to use.
type Echo struct {
	// NodeName is the node's name; empty means "echo".
	NodeName string
}

// Name implements harness.System.
func (Echo) Name() string { return "echo" }

// Start implements harness.System.
func (e Echo) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	name := e.NodeName
	if name == "" {
		name = "echo"
	}
	return StartEcho(ctx, env, name)
}

// StartEcho starts an echo server as one more node of a run, for its control
// lane.
func StartEcho(ctx context.Context, env *harness.Env, name string) (*RunningEcho, error) {
	nodes, err := env.Start(ctx, Spec(env, "echo", name, nil))
	if err != nil {
		return nil, err
	}
	return &RunningEcho{nodes: nodes}, nil
}

// RunningEcho is a started echo server.
type RunningEcho struct{ nodes []*harness.Node }

var (
	_ harness.System     = Echo{}
	_ harness.HTTPServer = (*RunningEcho)(nil)
)

// Nodes implements harness.Running.
func (r *RunningEcho) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer.
func (r *RunningEcho) URL() string {
	return fmt.Sprintf("http://%s", netip.AddrPortFrom(r.nodes[0].Addr(), DefaultPort))
}
