package protection

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

// failuresToRestart is how many failed liveness checks in a row end a node:
// the default of Kubernetes' livenessProbe.failureThreshold.
const failuresToRestart = 3

// supervisor restarts nodes that are not alive, by their own word, as an
// orchestrator does. It knows only the nodes it was given.
//
//	/live ── 200 ─▶ forgets earlier failures
//	      └─ else ─▶ third in a row ─▶ restart ─▶ asks on, as soon as it runs
type supervisor struct {
	env   *harness.Env
	nodes []*harness.Node
	every time.Duration
	one   sync.Mutex // restarts at a time: engines have lost count of a network's members over two
}

func newSupervisor(env *harness.Env, nodes []*harness.Node, every time.Duration) *supervisor {
	return &supervisor{env: env, nodes: nodes, every: every}
}

// run supervises until ctx ends.
func (s *supervisor) run(ctx context.Context) {
	var group sync.WaitGroup
	for _, n := range s.nodes {
		group.Go(func() { s.watch(ctx, n) })
	}
	group.Wait()
}

func (s *supervisor) watch(ctx context.Context, n *harness.Node) {
	ask := probe.NewHTTP(s.env.Data(), netip.AddrPortFrom(n.Addr(), components.DefaultPort))
	defer ask.Close()
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := alive(ctx, ask); err == nil {
			failures = 0
			continue
		}
		if failures++; failures < failuresToRestart || ctx.Err() != nil {
			continue
		}
		failures = 0
		s.restart(ctx, n)
	}
}

func alive(ctx context.Context, ask *probe.HTTP) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := ask.Get(ctx, "/live")
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("/live answered %d", answer.Status)
	}
	return nil
}

// restart ends a node and starts it again. A restart that was asked for is
// finished though the supervisor itself ends, so that the node is not left
// dead; one that fails is tried again three checks later.
func (s *supervisor) restart(ctx context.Context, n *harness.Node) {
	s.one.Lock()
	defer s.one.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	grace := 1
	_, _ = s.env.Engine().Client().ContainerRestart(ctx, n.ContainerID(), client.ContainerRestartOptions{Timeout: &grace})
}
