package harness

import (
	"context"
	"io/fs"
	"net/netip"
)

// Node is one container of a system that this run started. Only an Env makes
// Nodes: that is what keeps faults inside the run.
type Node struct {
	name      string
	zone      string
	component string
	id        string
	addr      netip.Addr            // on the data network
	addrs     map[string]netip.Addr // by client zone name
}

// Name is unique within the run: "redis-1".
func (n *Node) Name() string { return n.name }

// Zone is the zone the node was placed in, "" for the only one.
func (n *Node) Zone() string { return n.zone }

// ContainerID is the engine's full id of the node's container. It stays the
// same when the node is restarted.
func (n *Node) ContainerID() string { return n.id }

// Addr is the node's fixed address on the data network; it survives restarts.
func (n *Node) Addr() netip.Addr { return n.addr }

// AddrIn is the node's fixed address in a client zone's network.
func (n *Node) AddrIn(clientZone string) (netip.Addr, bool) {
	a, ok := n.addrs[clientZone]
	return a, ok
}

// NodeSpec declares one container. Every component runs with an explicit
// command and the files given here, never through an image's entrypoint.
type NodeSpec struct {
	Name      string
	Component string // "redis", "nginx", ...; "self" for hadrill's own components
	Zone      string
	Command   []string
	Env       map[string]string
	Files     []File
	Caps      []string          // added capabilities
	Sysctls   map[string]string // of the container's own namespaces
	Tmpfs     map[string]string // path -> options
	MemoryMB  int64             // 0: no limit
	NoFile    int64             // RLIMIT_NOFILE; 0: the engine's default, which a nested engine may be unable to raise
	// Ready returns nil when the node answers its own protocol. It is called
	// until it does; the error of the last call is reported when time is up.
	Ready func(ctx context.Context, n *Node) error
}

// File is copied into a container before it starts.
type File struct {
	Path    string
	Mode    fs.FileMode
	Content []byte
}
