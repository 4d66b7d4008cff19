package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/etcd"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

const (
	beliefLimit = 100 * time.Millisecond
	settleLimit = time.Second // one round of questions while settling
	settlePause = 20 * time.Millisecond
)

// Running is a started Pool.
//
// The roles are the gateways' word, since it is they who decide: a service is
// Primary as long as any gateway sends requests to it, whether it lives or not.
// When a dead one ceases to be Primary, the last gateway has noticed. A service
// that is in no rotation is Replica if it answers and Unknown if not.
type Running struct {
	declared Pool
	nodes    []*harness.Node
	gateways []*probe.HTTP // admin ports
	services []*probe.HTTP
	members  *etcd.Running // nil: no registry

	mu    sync.Mutex
	rings [][]string // by gateway, the last rotation that it told
}

var (
	_ harness.RoleReporter       = (*Running)(nil)
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.HTTPServer         = (*Running)(nil)
)

func newRunning(p Pool, env *harness.Env, nodes []*harness.Node, members *etcd.Running) *Running {
	r := &Running{declared: p, nodes: nodes, members: members, rings: make([][]string, p.Gateways)}
	for _, n := range nodes[:p.Gateways] {
		r.gateways = append(r.gateways, probe.NewHTTP(env.Data(), netip.AddrPortFrom(n.Addr(), proxy.DefaultAdminPort)))
	}
	for _, n := range nodes[p.Gateways:] {
		r.services = append(r.services, probe.NewHTTP(env.Data(), netip.AddrPortFrom(n.Addr(), components.DefaultPort)))
	}
	if members != nil {
		r.nodes = append(r.nodes, members.Nodes()...)
	}
	return r
}

// Nodes implements harness.Running: gateways, services, members of the registry.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer: the first gateway's.
func (r *Running) URL() string {
	return fmt.Sprintf("http://%s", netip.AddrPortFrom(r.nodes[0].Addr(), proxy.DefaultPort))
}

// Stop implements harness.Stopper.
func (r *Running) Stop(ctx context.Context) error {
	for _, p := range append(r.gateways[:len(r.gateways):len(r.gateways)], r.services...) {
		p.Close()
	}
	return stop(ctx, r.members)
}

// Beliefs implements harness.RoleReporter.
func (r *Running) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	var group sync.WaitGroup
	var registry []harness.Belief
	if r.members != nil {
		group.Go(func() { registry = r.members.Beliefs(ctx) })
	}
	beliefs := make([]harness.Belief, len(r.gateways)+len(r.services))
	for i, g := range r.gateways {
		group.Go(func() {
			beliefs[i] = harness.Belief{Node: GatewayName(i), Self: harness.Proxy}
			if err := r.ask(ctx, i, g); err != nil {
				beliefs[i].Self, beliefs[i].Err = harness.Unknown, err.Error()
			}
		})
	}
	for i, s := range r.services {
		group.Go(func() {
			b := harness.Belief{Node: ServiceName(i), Self: harness.Replica}
			if _, err := s.Get(ctx, "/live"); err != nil {
				b.Self, b.Err = harness.Unknown, err.Error()
			}
			beliefs[len(r.gateways)+i] = b
		})
	}
	group.Wait()
	for i := range r.services {
		if r.rotated(ServiceName(i)) {
			beliefs[len(r.gateways)+i].Self = harness.Primary
		}
	}
	for _, b := range registry {
		// Its leader is no primary of this system; see RegistryLeader.
		if b.Self != harness.Unknown {
			b.Self = harness.Arbiter
		}
		b.Primary = ""
		beliefs = append(beliefs, b)
	}
	return beliefs
}

// ask asks a gateway for its rotation and remembers it.
func (r *Running) ask(ctx context.Context, i int, admin *probe.HTTP) error {
	pools, err := pools(ctx, admin)
	if err != nil {
		return err
	}
	ring := []string{}
	for _, p := range pools {
		for _, m := range p.Members {
			if p.Route == routeName && m.In {
				ring = append(ring, m.ID)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rings[i] = ring
	return nil
}

// pools asks a gateway for its rotations.
func pools(ctx context.Context, admin *probe.HTTP) (pools []proxy.Pool, err error) {
	answer, err := admin.Get(ctx, "/pool")
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("/pool answered %d", answer.Status)
	}
	if err := json.Unmarshal([]byte(answer.Body), &pools); err != nil {
		return nil, fmt.Errorf("read /pool: %w", err)
	}
	return pools, nil
}

// rotated tells whether any gateway sends requests to a node, as it last said.
func (r *Running) rotated(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ring := range r.rings {
		for _, name := range ring {
			if name == node {
				return true
			}
		}
	}
	return false
}

// Redundancy implements harness.RedundancyReporter: the services that every
// gateway sends requests to.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	var group sync.WaitGroup
	errs := make([]error, len(r.gateways))
	for i, g := range r.gateways {
		group.Go(func() { errs[i] = r.ask(ctx, i, g) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, len(r.services), err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	in := map[string]int{}
	for _, ring := range r.rings {
		for _, name := range ring {
			in[name]++
		}
	}
	for _, n := range in {
		if n == len(r.gateways) {
			have++
		}
	}
	return have, len(r.services), nil
}

// Settle implements harness.Settler: every gateway is ready and sends requests
// to every service, and the registry is whole.
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
	if r.members != nil {
		short, cancel := context.WithTimeout(ctx, settleLimit)
		defer cancel()
		if err := r.members.Settle(short); err != nil {
			return err
		}
	}
	have, want, err := r.Redundancy(ctx)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%d of %d services are in every rotation", have, want)
	}
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for i, g := range r.gateways {
		answer, err := g.Get(ctx, "/ready")
		if err == nil && answer.Status != http.StatusOK {
			err = errors.New(answer.Body)
		}
		if err != nil {
			return fmt.Errorf("%s is not ready: %w", GatewayName(i), err)
		}
	}
	return nil
}

// workerPattern is who speaks, before what a worker says.
var workerPattern = regexp.MustCompile(`^worker \d+: `)

// Milestone implements harness.Milestones: a service that leaves a rotation is
// declared dead; changes of the registry's reach, of breakers and of workers
// are worth keeping.
func (r *Running) Milestone(node, line string) (harness.Milestone, bool) {
	if strings.HasPrefix(node, "etcd-") {
		if r == nil || r.members == nil {
			return harness.Milestone{}, false
		}
		m, ok := r.members.Milestone(node, line)
		m.Declared, m.Owner, m.Keep = false, false, m.Keep || m.Declared || m.Owner // its leader is not this system's owner
		return m, ok
	}
	_, text, found := strings.Cut(line, ": ")
	if !found {
		return harness.Milestone{}, false
	}
	text = text[len(workerPattern.FindString(text)):]
	switch {
	case strings.HasPrefix(text, "rotation: "):
		return harness.Milestone{Declared: strings.Contains(text, " leaves "), Keep: true, Text: text}, true
	case strings.HasPrefix(text, "breaker "), strings.HasPrefix(text, "upgrade"), strings.HasPrefix(text, "worker "),
		strings.HasPrefix(text, "attempt: "), strings.HasPrefix(text, "cache: "), strings.Contains(text, "registry: "):
		return harness.Milestone{Keep: true, Text: text}, true
	}
	return harness.Milestone{}, false
}

// RegistryLeader selects the member that leads the registry now.
var RegistryLeader harness.Selector = registryLeader{}

type registryLeader struct{}

func (registryLeader) String() string { return "registry-leader" }

// Select implements harness.Selector.
func (registryLeader) Select(ctx context.Context, sys harness.Running) ([]*harness.Node, error) {
	r, ok := sys.(*Running)
	if !ok || r.members == nil {
		return nil, errors.New("select registry-leader: the system has no registry")
	}
	return harness.Primary.Select(ctx, r.members)
}

// Busiest selects the service that the first gateway has sent most requests to.
var Busiest harness.Selector = busiest{}

type busiest struct{}

func (busiest) String() string { return "busiest" }

// Select implements harness.Selector.
func (busiest) Select(ctx context.Context, sys harness.Running) ([]*harness.Node, error) {
	r, ok := sys.(*Running)
	if !ok {
		return nil, fmt.Errorf("select busiest: %T has no gateway", sys)
	}
	pools, err := pools(ctx, r.gateways[0])
	if err != nil {
		return nil, fmt.Errorf("select busiest: %w", err)
	}
	name, most := "", int64(0)
	for _, p := range pools {
		for _, m := range p.Members {
			if m.Sent > most {
				name, most = m.ID, m.Sent
			}
		}
	}
	return harness.Named(name).Select(ctx, sys)
}
