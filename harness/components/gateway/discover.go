package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness/components/registry"
)

// Run keeps the rotations in step with the registry and with what instances
// answer, until ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	remembered, err := g.cache.load()
	if err != nil {
		g.say(fmt.Sprintf("cache: %v", err)) // the registry will say
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	errs := make(chan error, len(g.routes))
	for _, r := range g.routes {
		switch {
		case r.route.Service == "":
			r.rotation.list(r.route.Instances)
		default:
			if known := remembered[r.route.Service]; len(known) > 0 {
				g.say(fmt.Sprintf("cache: %s: begins with the last known %d instances", r.route.Name, len(known)))
				r.rotation.list(known)
			}
			group.Go(func() {
				err := g.watch(ctx, r)
				if err != nil {
					stop()
				}
				errs <- err
			})
		}
		if r.route.Health != nil {
			group.Go(func() { r.rotation.checkHealth(ctx) })
		}
	}
	<-ctx.Done()
	group.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	for _, r := range g.routes {
		r.transport.CloseIdleConnections()
	}
	return errors.Join(append(all, g.tracer.close())...)
}

// watch follows one route's service.
func (g *Gateway) watch(ctx context.Context, r *route) error {
	c := g.config.Registry
	c.Say = func(line string) { g.say(r.route.Name + ": " + line) }
	return registry.Watch(ctx, c, r.route.Service, func(listed []registry.Instance) {
		r.rotation.list(listed)
		if err := g.cache.store(r.route.Service, listed); err != nil {
			g.say(fmt.Sprintf("cache: %v", err))
		}
	})
}

// Ready says which routes do not know yet whom to send to; nil: all do.
func (g *Gateway) Ready() error {
	var errs []error
	for _, r := range g.routes {
		if !r.rotation.ready() {
			errs = append(errs, fmt.Errorf("route %s does not know its instances yet", r.route.Name))
		}
	}
	if g.ready != nil {
		errs = append(errs, g.ready())
	}
	return errors.Join(errs...)
}

// Member is an instance as one route sees it.
type Member struct {
	ID       string  `json:"id"`
	Addr     string  `json:"addr"`
	In       bool    `json:"in"`        // requests are sent to it
	UnderWay int64   `json:"under_way"` // requests
	Sent     int64   `json:"sent"`      // attempts, ever
	Failed   int64   `json:"failed"`    // those of them that failed
	IdleMs   int64   `json:"idle_ms"`   // since the last attempt; -1: there was none
	Latency  float64 `json:"latency_s"` // estimate
}

// Pool is the rotation of one route at a moment.
type Pool struct {
	Route   string   `json:"route"`
	Members []Member `json:"members"`
}

// Pools shows every rotation, the routes as they are tried.
func (g *Gateway) Pools() []Pool {
	now := time.Now()
	var pools []Pool
	for _, r := range g.routes {
		v := r.rotation.current(now)
		in := map[*instance]bool{}
		for _, i := range v.in {
			in[i] = true
		}
		p := Pool{Route: r.route.Name, Members: []Member{}}
		for _, i := range v.all {
			m := Member{ID: i.id, Addr: i.addr, In: in[i], UnderWay: i.underway.Load(), Sent: i.sent.Load(), Failed: i.failed.Load(), IdleMs: -1, Latency: i.latency.at(now)}
			if last := i.lastSent.Load(); last > 0 {
				m.IdleMs = now.Sub(time.Unix(0, last)).Milliseconds()
			}
			p.Members = append(p.Members, m)
		}
		pools = append(pools, p)
	}
	return pools
}

// cache is a file with the last known instances of each service, so that a
// gateway that starts while the registry is away has somebody to send to. Safe
// for concurrent use.
type cache struct {
	path  string // "": none
	mu    sync.Mutex
	lists map[string][]registry.Instance
}

func (c *cache) load() (map[string][]registry.Instance, error) {
	if c.path == "" {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := os.ReadFile(c.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read last known instances: %w", err)
	}
	known := map[string][]registry.Instance{}
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, fmt.Errorf("read last known instances: %s: %w", c.path, err)
	}
	for service, list := range known {
		c.lists[service] = list
	}
	return known, nil
}

// store writes a new file and renames it, so that a reader never sees half of
// one. An empty list is not worth remembering.
func (c *cache) store(service string, list []registry.Instance) error {
	if c.path == "" || len(list) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists[service] = list
	text, err := json.Marshal(c.lists)
	if err != nil {
		return fmt.Errorf("store last known instances: %w", err)
	}
	fresh, err := os.CreateTemp(filepath.Dir(c.path), filepath.Base(c.path)+".*")
	if err != nil {
		return fmt.Errorf("store last known instances: %w", err)
	}
	_, err = fresh.Write(text)
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), c.path)
	}
	if err != nil {
		return fmt.Errorf("store last known instances: %w", errors.Join(err, os.Remove(fresh.Name())))
	}
	return nil
}
