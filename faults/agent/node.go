package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// ErrNotRunning is returned (wrapped) when a node has no process.
var ErrNotRunning = errors.New("node is not running")

// Node is one container of the run. Its process comes and goes; the table
// follows. Safe for concurrent use.
type Node struct {
	id         string
	name       string
	container  string // the engine's name of it
	host       *Host
	stopSignal string

	mu        sync.Mutex
	life      *Life         // of the present process, nil when there is none
	lives     int           // how many processes there have been
	deaths    int64         // when the last process died, 0 when none did
	changed   chan struct{} // closed at every change of life
	addresses []netip.Addr
	gone      bool
}

// ID is the engine's full container id.
func (n *Node) ID() string { return n.id }

// Name is the node's name within the run.
func (n *Node) Name() string { return n.name }

// Addresses are the node's addresses in all its networks; they survive
// restarts as far as they were assigned.
func (n *Node) Addresses() []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.addresses)
}

// Life returns the node's present process.
func (n *Node) Life() (*Life, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil || n.life.ended() {
		return nil, fmt.Errorf("node %s: %w", n.name, ErrNotRunning)
	}
	return n.life, nil
}

// AwaitLife waits until the node has a process other than old (which may be
// nil), and returns it.
func (n *Node) AwaitLife(ctx context.Context, old *Life) (*Life, error) {
	for {
		n.mu.Lock()
		life, changed := n.life, n.changed
		n.mu.Unlock()
		if life != nil && life != old {
			return life, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for node %s to run: %w", n.name, ctx.Err())
		}
	}
}

// born enters a new first process. A process already known is left alone.
func (n *Node) born(pid int) (*Life, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone {
		return nil, fmt.Errorf("node %s: %w: its container was removed", n.name, ErrNotRunning)
	}
	if n.life != nil && n.life.pid == pid && !n.life.isDead() {
		return n.life, nil
	}
	life, err := openLife(n, pid)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", n.name, err)
	}
	if life.exited() {
		// The engine may name a process that is dead and not yet reaped.
		life.shut()
		return nil, fmt.Errorf("node %s: %w", n.name, ErrNotRunning)
	}
	n.life = life
	died, again := n.deaths, n.lives > 0
	n.lives++
	n.change()
	go n.follow(life)
	if again {
		go n.host.reborn(n, died)
	}
	return life, nil
}

// follow waits for a life's end.
func (n *Node) follow(life *Life) {
	life.await()
	n.mu.Lock()
	died := n.life == life
	if died {
		n.life = nil
		n.deaths = life.diedAt
		n.change()
		n.host.notify(Event{At: life.diedAt, Kind: EventDied, Node: n.name})
	}
	n.mu.Unlock()
	life.close()
	if dir, _, err := life.Cgroup("freezer"); died && err == nil {
		n.expect(dir)
	}
}

// restarted tells when the node's last process died, if it runs again; 0 if it
// has never died.
func (n *Node) restarted() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil || n.lives < 2 {
		return 0
	}
	return n.deaths
}

// change must be called with the lock held.
func (n *Node) change() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// release lets go of everything held of the node.
func (n *Node) release() {
	n.mu.Lock()
	life := n.life
	n.life, n.gone = nil, true
	n.change()
	n.mu.Unlock()
	if life != nil {
		life.abandon()
	}
}

// refresh asks the engine for the node's process.
func (n *Node) refresh(ctx context.Context) (*container.InspectResponse, error) {
	found, err := n.host.engine.ContainerInspect(ctx, n.id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask the engine about node %s: %w", n.name, err)
	}
	c := found.Container
	n.setAddresses(c.NetworkSettings)
	if c.State != nil && c.State.Running && c.State.Pid > 0 {
		if _, err := n.born(c.State.Pid); err != nil && !errors.Is(err, ErrNotRunning) {
			return nil, err
		}
	}
	return &c, nil
}

// setAddresses keeps what the engine says; a stopped container has only the
// addresses that were assigned to it.
func (n *Node) setAddresses(settings *container.NetworkSettings) {
	if settings == nil {
		return
	}
	var found []netip.Addr
	for _, endpoint := range settings.Networks {
		if endpoint == nil {
			continue
		}
		switch {
		case endpoint.IPAddress.IsValid():
			found = append(found, endpoint.IPAddress)
		case endpoint.IPAMConfig != nil && endpoint.IPAMConfig.IPv4Address.IsValid():
			found = append(found, endpoint.IPAMConfig.IPv4Address)
		}
		if endpoint.GlobalIPv6Address.IsValid() {
			found = append(found, endpoint.GlobalIPv6Address)
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(found) > 0 {
		n.addresses = found
	}
}

// isGone tells whether an error says that the container does not exist.
func isGone(err error) bool { return errdefs.IsNotFound(err) }
