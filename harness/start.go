package harness

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness/engine"
)

const (
	// SelfComponent is the component of nodes that run hadrill's own executable.
	SelfComponent = "self"

	startAtOnce  = 8                // containers created and started side by side
	readyLimit   = 90 * time.Second // for a context without deadline
	readyAttempt = time.Second      // bound of one call of Ready
	readyPause   = 15 * time.Millisecond
)

// Start brings containers up side by side and returns when all are ready. Each
// has a fixed address on the data network and on every client zone's, and no
// restart policy: what dies stays dead until somebody starts it. On error,
// what was started stays labelled and is removed by Close.
func (e *Env) Start(ctx context.Context, specs ...NodeSpec) ([]*Node, error) {
	if len(specs) == 0 {
		return nil, errors.New("start nodes: none given")
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := e.resolveImages(ctx, specs); err != nil {
		return nil, err
	}
	nodes, err := e.admit(specs)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	slots := make(chan struct{}, startAtOnce)
	for i := range specs {
		group.Go(func() error {
			slots <- struct{}{}
			err := e.startOne(ctx, nodes[i], specs[i])
			<-slots
			if err != nil {
				return fmt.Errorf("start node %s: %w", specs[i].Name, err)
			}
			return e.waitReady(ctx, nodes[i], specs[i])
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.nodes = append(e.nodes, nodes...)
	return nodes, nil
}

// admit checks the specs and gives each node its place.
func (e *Env) admit(specs []NodeSpec) ([]*Node, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errors.New("start nodes: the run's env is closed")
	}
	nodes := make([]*Node, len(specs))
	for i, s := range specs {
		switch {
		case !namePattern.MatchString(s.Name):
			return nil, fmt.Errorf("start node %q: want a name of lower-case letters, digits and '-', at most 31", s.Name)
		case e.watched[s.Name] != nil:
			return nil, fmt.Errorf("start node %s: the run already has a node of this name", s.Name)
		case len(s.Command) == 0:
			return nil, fmt.Errorf("start node %s: no command given; images' own entrypoints are not used", s.Name)
		case len(s.Disks) > 0 && e.options.MakeDisk == nil:
			return nil, fmt.Errorf("start node %s: it has disks, and this env has nobody to make them", s.Name)
		}
		place := e.place(s.Name)
		n := &Node{name: s.Name, zone: s.Zone, component: s.Component, addr: nodeAddr(e.data.prefix, place), addrs: map[string]netip.Addr{}}
		if !n.addr.IsValid() {
			return nil, fmt.Errorf("start node %s: the network %s is full", s.Name, e.data.prefix)
		}
		for _, b := range e.zones {
			n.addrs[b.zone] = nodeAddr(b.prefix, place)
		}
		nodes[i] = n
		e.watched[s.Name] = newWatch(n)
	}
	return nodes, nil
}

// resolveImages finds or builds each component's image once.
func (e *Env) resolveImages(ctx context.Context, specs []NodeSpec) error {
	wanted := map[string]bool{}
	e.mu.Lock()
	for _, s := range specs {
		if _, known := e.images[s.Component]; !known {
			wanted[s.Component] = true
		}
	}
	e.mu.Unlock()
	group, ctx := errgroup.WithContext(ctx)
	for component := range wanted {
		group.Go(func() error {
			info, err := e.image(ctx, component)
			if err != nil {
				return fmt.Errorf("image of %s: %w", component, err)
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			e.images[component] = info
			return nil
		})
	}
	return group.Wait()
}

func (e *Env) image(ctx context.Context, component string) (engine.ImageInfo, error) {
	if component == SelfComponent {
		return e.engine.Self(ctx)
	}
	return e.engine.Image(ctx, component, func(event engine.Event) {
		if event.Line != "" {
			e.progress("image %s: %s: %s", component, event.Stage, event.Line)
		}
	})
}

// startOne creates and starts one container through testcontainers.
func (e *Env) startOne(ctx context.Context, n *Node, s NodeSpec) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	image := e.images[s.Component].Ref
	e.mu.Unlock()
	creating, done := uncut(ctx)
	defer done()
	disks, err := e.makeDisks(creating, s)
	if err != nil {
		return err
	}
	files := make([]testcontainers.ContainerFile, len(s.Files))
	for i, f := range s.Files {
		files[i] = testcontainers.ContainerFile{Reader: bytes.NewReader(f.Content), ContainerFilePath: f.Path, FileMode: int64(mode(f.Mode))}
	}
	made, err := e.engine.Provider().CreateContainer(creating, testcontainers.ContainerRequest{
		Name:               "hadrill-" + e.options.Run + "-" + s.Name,
		Image:              image,
		Entrypoint:         s.Command[:1],
		Cmd:                s.Command[1:],
		Env:                s.Env,
		Labels:             e.labels("node", s.Name),
		Tmpfs:              s.Tmpfs,
		Files:              files,
		Networks:           []string{e.data.name},
		ConfigModifier:     func(c *container.Config) { c.Hostname = s.Name },
		HostConfigModifier: func(h *container.HostConfig) { shape(h, s, disks) },
		EndpointSettingsModifier: func(m map[string]*network.EndpointSettings) {
			m[e.data.name] = &network.EndpointSettings{NetworkID: e.data.id, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.addr}}
		},
		LifecycleHooks: []testcontainers.ContainerLifecycleHooks{{PostCreates: []testcontainers.ContainerHook{
			func(ctx context.Context, c testcontainers.Container) error {
				e.setID(n, c.GetContainerID())
				return e.joinZones(ctx, n)
			},
		}}},
	})
	if err != nil {
		return err
	}
	return made.Start(ctx)
}

// makeDisks makes a node's disks and says how they are bound into it.
func (e *Env) makeDisks(ctx context.Context, s NodeSpec) ([]mount.Mount, error) {
	var bound []mount.Mount
	for i, d := range s.Disks {
		d.SizeMB = cmp.Or(d.SizeMB, defaultDiskMB)
		folder, err := e.options.MakeDisk(ctx, fmt.Sprintf("%s-%d", s.Name, i+1), d)
		if err != nil {
			return nil, fmt.Errorf("make disk %s: %w", d.Path, err)
		}
		bound = append(bound, mount.Mount{Type: mount.TypeBind, Source: folder, Target: d.Path})
	}
	return bound, nil
}

// createLimit bounds one request to create something.
const createLimit = 30 * time.Second

// uncut is a context for a request that creates something. Cut short, the
// engine might still carry it out, after Close has looked for what to remove.
func uncut(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), createLimit)
}

func mode(m fs.FileMode) fs.FileMode {
	if m == 0 {
		return 0o644
	}
	return m.Perm()
}

// shape sets what testcontainers has no word for.
func shape(h *container.HostConfig, s NodeSpec, disks []mount.Mount) {
	h.Mounts = append(h.Mounts, disks...)
	h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyDisabled}
	h.CapAdd = s.Caps
	h.Sysctls = s.Sysctls
	// The engine's default log driver may be one that cannot be followed.
	h.LogConfig = container.LogConfig{Type: "json-file"}
	if s.MemoryMB > 0 {
		h.Memory = s.MemoryMB << 20
		h.MemorySwap = h.Memory
	}
	if s.NoFile > 0 {
		h.Ulimits = []*units.Ulimit{{Name: "nofile", Soft: s.NoFile, Hard: s.NoFile}}
	}
}

// joinZones connects a created container to the client zones' networks. The
// engine's API takes one network at creation only (before 1.44), and
// testcontainers gives further ones no fixed address.
func (e *Env) joinZones(ctx context.Context, n *Node) error {
	for _, b := range e.zones {
		_, err := e.engine.Client().NetworkConnect(ctx, b.id, client.NetworkConnectOptions{
			Container:      n.id,
			EndpointConfig: &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.addrs[b.zone]}},
		})
		if err != nil {
			return fmt.Errorf("connect to client zone %s: %w", b.zone, err)
		}
	}
	return nil
}

// setID is called once, before anything else can see the node's container.
func (e *Env) setID(n *Node, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n.id = id
}

// waitReady calls Ready until it succeeds, the node dies or time is up.
func (e *Env) waitReady(ctx context.Context, n *Node, s NodeSpec) error {
	w := e.watchOf(n.name)
	var last error
	for s.Ready != nil {
		attempt, cancel := context.WithTimeout(ctx, readyAttempt)
		err := s.Ready(attempt, n)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case exit := <-w.died:
			runDry([]*watch{w}) // its last words are the reason, and come after the word of its death
			return fmt.Errorf("node %s ended with code %d before it was ready%s", n.name, exit, w.tail())
		case <-ctx.Done():
			return fmt.Errorf("wait for node %s: %w (last answer: %v)%s", n.name, ctx.Err(), last, w.tail())
		case <-time.After(readyPause):
		}
	}
	return nil
}
