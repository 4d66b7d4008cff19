package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness"
)

// cgroupRoot is where the host's cgroup tree is mounted in the agent.
const cgroupRoot = "/host/cgroup"

// ErrForeign is returned (wrapped) for a container that does not carry the
// run's label: no fault may be aimed at it.
var ErrForeign = errors.New("not a container of this run")

// Host is the machine as the agent sees it: the engine, the run's containers
// and the paths to the kernel's own files. Safe for concurrent use.
type Host struct {
	run    string
	engine *client.Client
	cgroup string // root of the cgroup tree
	netns  string // identity of the host's network namespace, never entered

	lacksNetem atomic.Bool // found out at the first link that is impaired
	probing    sync.Mutex  // of netem: two faults of one node would take each other's device away
	disks      *disks

	mu     sync.Mutex
	nodes  map[string]*Node
	notify func(Event)
	reborn func(n *Node, diedAt int64) // a known node has a new process
}

func newHost(run, socket, cgroup string) (*Host, error) {
	engine, err := client.New(client.WithHost("unix://" + socket))
	if err != nil {
		return nil, fmt.Errorf("open engine on %s: %w", socket, err)
	}
	netns, err := os.Readlink("/proc/1/ns/net")
	if err != nil {
		// A hardened kernel hides PID 1: our own namespace differs from every
		// node's, and the host's is still told apart by having PID 1's.
		netns = ""
	}
	h := &Host{run: run, engine: engine, cgroup: cgroup, netns: netns, nodes: map[string]*Node{}, notify: func(Event) {}, reborn: func(*Node, int64) {}}
	h.disks = newDisks(h)
	return h, nil
}

// Now is CLOCK_MONOTONIC in nanoseconds.
func (h *Host) Now() int64 { return monotonic() }

// Engine is the container engine's client.
func (h *Host) Engine() *client.Client { return h.engine }

// Cgroup is the root of the host's cgroup tree as mounted here.
func (h *Host) Cgroup() string { return h.cgroup }

// Unified tells whether the machine has cgroup v2 only.
func (h *Host) Unified() bool {
	_, err := os.Stat(filepath.Join(h.cgroup, "cgroup.controllers"))
	return err == nil
}

// Node returns the run's container with this id. It asks the engine the first
// time and refuses containers without the run's label, and the agent itself.
func (h *Host) Node(ctx context.Context, id string) (*Node, error) {
	h.mu.Lock()
	n, known := h.nodes[id]
	h.mu.Unlock()
	if known {
		return n, nil
	}
	return h.learn(ctx, id)
}

// learn asks the engine about a container and enters it into the table.
func (h *Host) learn(ctx context.Context, id string) (*Node, error) {
	found, err := h.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask the engine about container %.12s: %w", id, err)
	}
	c := found.Container
	name := strings.TrimPrefix(c.Name, "/")
	if c.Config == nil || c.Config.Labels[harness.LabelRun] != h.run {
		return nil, fmt.Errorf("container %s: %w (%s)", name, ErrForeign, h.run)
	}
	if c.Config.Labels[harness.LabelRole] == rolePart {
		return nil, fmt.Errorf("container %s: %w: it is the agent", name, ErrForeign)
	}
	if label := c.Config.Labels[harness.LabelNode]; label != "" {
		name = label
	}
	h.mu.Lock()
	n, known := h.nodes[c.ID]
	if !known {
		n = &Node{id: c.ID, name: name, container: strings.TrimPrefix(c.Name, "/"), host: h, changed: make(chan struct{}), stopSignal: c.Config.StopSignal}
		h.nodes[c.ID] = n
	}
	h.mu.Unlock()
	n.setAddresses(c.NetworkSettings)
	if c.State != nil && c.State.Running && c.State.Pid > 0 {
		if _, err := n.born(c.State.Pid); err != nil && !errors.Is(err, ErrNotRunning) {
			return nil, err
		}
	}
	return n, nil
}

// known lists the nodes of the table.
func (h *Host) known() []*Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*Node, 0, len(h.nodes))
	for _, n := range h.nodes {
		all = append(all, n)
	}
	return all
}

// discover enters every container of the run into the table.
func (h *Host) discover(ctx context.Context) ([]*Node, error) {
	list, err := h.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: h.filter()})
	if err != nil {
		return nil, fmt.Errorf("list containers of run %s: %w", h.run, err)
	}
	var nodes []*Node
	for _, c := range list.Items {
		if c.Labels[harness.LabelRole] == rolePart {
			continue
		}
		n, err := h.Node(ctx, c.ID)
		if errdefs.IsNotFound(err) {
			continue // removed meanwhile
		}
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (h *Host) forget(id string) {
	h.mu.Lock()
	n := h.nodes[id]
	delete(h.nodes, id)
	h.mu.Unlock()
	if n != nil {
		n.release()
	}
}

func (h *Host) filter() client.Filters {
	return make(client.Filters).Add("label", harness.LabelRun+"="+h.run)
}

// close gives every node's descriptors back.
func (h *Host) close() {
	for _, n := range h.known() {
		n.release()
	}
	_ = h.engine.Close()
}
