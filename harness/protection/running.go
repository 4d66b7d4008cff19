package protection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

const (
	beliefLimit = 100 * time.Millisecond
	settleLimit = 2 * time.Second // one round of questions while settling
	settlePause = 20 * time.Millisecond
)

// Running is a started Chain. The gateway is the Proxy; a service that answers
// and that the gateway sends requests to is Primary, one that answers and has
// left the rotation Replica.
type Running struct {
	declared Chain
	nodes    []*harness.Node
	through  *probe.HTTP   // through the gateway, as the load goes
	admin    *probe.HTTP   // of the gateway
	services []*probe.HTTP // each, directly

	stop context.CancelFunc // of the supervisor
	done sync.WaitGroup
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.HTTPServer         = (*Running)(nil)
)

func newRunning(c Chain, env *harness.Env, nodes []*harness.Node) *Running {
	at := func(n *harness.Node, port uint16) *probe.HTTP {
		return probe.NewHTTP(env.Data(), netip.AddrPortFrom(n.Addr(), port))
	}
	r := &Running{declared: c, nodes: nodes, stop: func() {}}
	r.through, r.admin = at(nodes[0], gateway.DefaultPort), at(nodes[0], gateway.DefaultAdminPort)
	for _, n := range nodes[1 : 1+c.Services] {
		r.services = append(r.services, at(n, components.DefaultPort))
	}
	if c.Supervise > 0 {
		ctx, cancel := context.WithCancel(context.Background())
		r.stop = cancel
		s := newSupervisor(env, nodes[1:1+c.Services], c.Supervise)
		r.done.Go(func() { s.run(ctx) })
	}
	return r
}

// Nodes implements harness.Running: the gateway, the services, then what they
// depend on.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer.
func (r *Running) URL() string {
	return fmt.Sprintf("http://%s", netip.AddrPortFrom(r.nodes[0].Addr(), gateway.DefaultPort))
}

// Stop implements harness.Stopper.
func (r *Running) Stop(context.Context) error {
	r.stop()
	r.done.Wait()
	r.through.Close()
	r.admin.Close()
	for _, s := range r.services {
		s.Close()
	}
	return nil
}

// Beliefs implements harness.RoleReporter.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	beliefs := make([]harness.Belief, 1+len(r.services))
	in := map[string]bool{}
	var group sync.WaitGroup
	for i := range beliefs {
		group.Go(func() {
			b := harness.Belief{Node: r.nodes[i].Name(), Self: harness.Replica}
			var err error
			if i == 0 {
				b.Self = harness.Proxy
				in, err = r.rotation(ctx)
			} else {
				_, err = r.services[i-1].Get(ctx, "/count")
			}
			if err != nil {
				b.Self, b.Err = harness.Unknown, err.Error()
			}
			beliefs[i] = b
		})
	}
	group.Wait()
	for i := range beliefs {
		if b := &beliefs[i]; b.Self == harness.Replica && in[b.Node] {
			b.Self = harness.Primary
		}
	}
	return beliefs
}

// rotation returns the services that every route sends requests to.
func (r *Running) rotation(ctx context.Context) (map[string]bool, error) {
	answer, err := r.admin.Get(ctx, "/pool")
	if err != nil {
		return nil, err
	}
	var pools []gateway.Pool
	if err := json.Unmarshal([]byte(answer.Body), &pools); err != nil {
		return nil, fmt.Errorf("read the gateway's pools: %w", err)
	}
	routes := map[string]int{}
	for _, p := range pools {
		for _, m := range p.Members {
			if m.In {
				routes[m.ID]++
			}
		}
	}
	in := map[string]bool{}
	for id, n := range routes {
		in[id] = n == len(pools)
	}
	return in, nil
}

// Redundancy implements harness.RedundancyReporter: the services that say they
// are ready.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*beliefLimit)
	defer cancel()
	ready := make([]bool, len(r.services))
	var group sync.WaitGroup
	for i, s := range r.services {
		group.Go(func() {
			answer, err := s.Get(ctx, "/ready")
			ready[i] = err == nil && answer.Status == http.StatusOK
		})
	}
	group.Wait()
	for _, ok := range ready {
		if ok {
			have++
		}
	}
	return have, len(r.services), nil
}

// Settle implements harness.Settler: every service is ready and in rotation,
// and every route answers.
func (r *Running) Settle(ctx context.Context) error {
	for {
		err := r.steady(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", r.declared.Name(), ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}

func (r *Running) steady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	have, want, err := r.Redundancy(ctx)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%d of %d services are ready", have, want)
	}
	in, err := r.rotation(ctx)
	if err != nil {
		return err
	}
	for i := range r.services {
		if !in[ServiceName(i)] {
			return fmt.Errorf("%s is not in the gateway's rotation", ServiceName(i))
		}
	}
	var errs []error
	for _, route := range r.declared.Routes {
		path := route.Path
		if path == "" {
			path = "/"
		}
		answer, err := r.through.Get(ctx, path)
		switch {
		case err != nil:
			errs = append(errs, err)
		case answer.Status != http.StatusOK, answer.Header.Get(protect.DegradedHeader) != "":
			errs = append(errs, fmt.Errorf("route %s answers %d %s", route.Name, answer.Status, strings.TrimSpace(answer.Body)))
		}
	}
	return errors.Join(errs...)
}

// Milestone implements harness.Milestones: the gateway says when a breaker
// opens and when an instance leaves its rotation, which declares the failure,
// and when either is undone.
func (r *Running) Milestone(node, line string) (harness.Milestone, bool) {
	if node != GatewayName {
		return harness.Milestone{}, false
	}
	text := strings.TrimPrefix(line, GatewayName+": ")
	if e, ok := protect.ParseEvent(line); ok {
		return harness.Milestone{Declared: e.To == "open" && e.From == "closed", Keep: true, Text: e.String()}, true
	}
	if strings.Contains(text, "rotation: ") {
		return harness.Milestone{Declared: strings.Contains(text, " leaves "), Keep: true, Text: text}, true
	}
	return harness.Milestone{}, false
}
