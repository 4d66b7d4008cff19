package nginx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

const (
	beliefLimit = 100 * time.Millisecond
	settlePause = 20 * time.Millisecond
	// poolMemory is how long a backend of a pool counts as serving after it
	// last answered a question that went through nginx: at a poll every 50 ms
	// a pool's turn comes round many times in it.
	poolMemory = time.Second
)

// Running is a started nginx with its backends.
//
// nginx has no word for "primary": it routes. What it believes is therefore
// asked by a request of our own through the very route that the load takes;
// the answer names the backend. The question is one light request a poll. It
// counts for max_fails like any other, so that a poll may be the request that
// finds a backend dead.
type Running struct {
	declared Upstream
	env      *harness.Env
	nodes    []*harness.Node
	through  *probe.HTTP   // through nginx, as the load goes
	direct   []*probe.HTTP // to each backend

	mu     sync.Mutex
	served map[string]time.Time // when a backend last answered through nginx
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.HTTPServer         = (*Running)(nil)
)

func newRunning(u Upstream, env *harness.Env, nodes []*harness.Node) *Running {
	r := &Running{declared: u, env: env, nodes: nodes, served: map[string]time.Time{}}
	r.through = probe.NewHTTP(env.Data(), netip.AddrPortFrom(nodes[0].Addr(), proxyPort))
	for _, n := range nodes[1:] {
		r.direct = append(r.direct, probe.NewHTTP(env.Data(), netip.AddrPortFrom(n.Addr(), components.DefaultPort)))
	}
	return r
}

// Nodes implements harness.Running: nginx, then the backends.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer.
func (r *Running) URL() string {
	return fmt.Sprintf("http://%s", netip.AddrPortFrom(r.nodes[0].Addr(), proxyPort))
}

// Stop implements harness.Stopper.
func (r *Running) Stop(context.Context) error {
	r.through.Close()
	for _, d := range r.direct {
		d.Close()
	}
	return nil
}

// Beliefs implements harness.RoleReporter. nginx is the Proxy; a backend is
// Primary when it serves the traffic. With a backup declared that is the one
// nginx sends a request to right now, and nginx names it; in a pool of equals
// it is each that served within the last second, and nginx names none. A
// backend that does not answer when asked directly is Unknown.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	beliefs := make([]harness.Belief, len(r.nodes))
	routed := ""
	var group sync.WaitGroup
	for i, n := range r.nodes {
		group.Go(func() {
			b := harness.Belief{Node: n.Name(), Self: harness.Replica}
			var err error
			if i == 0 {
				b.Self = harness.Proxy
				routed, err = r.route(ctx)
			} else {
				_, err = r.direct[i-1].Get(ctx, "/live")
			}
			if err != nil {
				b.Self, b.Err = harness.Unknown, err.Error()
			}
			beliefs[i] = b
		})
	}
	group.Wait()
	r.assign(beliefs, routed)
	return beliefs
}

// route asks through nginx and returns the backend that answered.
func (r *Running) route(ctx context.Context) (string, error) {
	answer, err := r.through.Get(ctx, "/")
	if err != nil {
		return "", err
	}
	name := answer.Header.Get(components.NodeHeader)
	if answer.Status != http.StatusOK || name == "" {
		return "", fmt.Errorf("nginx answered %d by itself", answer.Status)
	}
	return name, nil
}

// assign turns the answers into roles.
func (r *Running) assign(beliefs []harness.Belief, routed string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if routed != "" {
		r.served[routed] = now
	}
	exclusive := r.declared.exclusive()
	if exclusive {
		beliefs[0].Primary = routed
	}
	for i := range beliefs[1:] {
		b := &beliefs[i+1]
		if b.Self == harness.Unknown {
			continue
		}
		last, ever := r.served[b.Node]
		if (exclusive && b.Node == routed) || (!exclusive && ever && now.Sub(last) < poolMemory) {
			b.Self = harness.Primary
		}
	}
}

// exclusive tells whether one backend at a time serves: there is one that is
// no backup.
func (u Upstream) exclusive() bool {
	active := 0
	for _, s := range u.Servers {
		if !s.backup() {
			active++
		}
	}
	return active == 1
}

// Redundancy implements harness.RedundancyReporter: the backends that answer.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	answers := make([]bool, len(r.direct))
	var group sync.WaitGroup
	for i, d := range r.direct {
		group.Go(func() {
			answer, err := d.Get(ctx, "/ready")
			answers[i] = err == nil && answer.Status == http.StatusOK
		})
	}
	group.Wait()
	for _, ok := range answers {
		if ok {
			have++
		}
	}
	return have, len(r.direct), nil
}

// Settle implements harness.Settler: every backend answers, and nginx reaches
// the one it should.
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
	have, want, err := r.Redundancy(ctx)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%d of %d backends are ready", have, want)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	routed, err := r.route(ctx)
	if err != nil {
		return err
	}
	for _, s := range r.declared.Servers {
		if s.Name == routed && s.backup() && r.declared.exclusive() {
			return fmt.Errorf("nginx sends traffic to the backup %s", routed)
		}
	}
	if routed == "" {
		return errors.New("no backend answers through nginx")
	}
	return nil
}
