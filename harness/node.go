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
	Disks     []Disk            // volumes of the node's own, which faults can damage
	NoFile    int64             // RLIMIT_NOFILE; 0: the engine's default, which a nested engine may be unable to raise
	// Ready returns nil when the node answers its own protocol. It is called
	// until it does; the error of the last call is reported when time is up.
	Ready func(ctx context.Context, n *Node) error
}

// Disk is a volume that only this node has: a file system of its own in a file
// of the run. It is there before the node starts, survives the node's restarts
// and ends with the run. Faults of disks can be done to it and to nothing else.
//
// Interposed, each operation passes a server of the run's agent on its way to
// the file system: the disk can then be slow, fail, hang or lie, at about half
// the speed of small synchronous writes. Else it can be filled, frozen and have
// its power cut, at the speed of the machine's own disk.
type Disk struct {
	Path       string // where the node has it, absolute; empty at first, open to every user
	SizeMB     int64  // roughly what it can hold; default 64, at least 16
	Interposed bool
}

// DiskMaker makes a run's disks. name is unique in the run; the same disk twice
// is one disk. It returns the folder to bind into the container, as the engine
// sees it. The maker removes what it has made when the run ends.
type DiskMaker func(ctx context.Context, name string, d Disk) (folder string, err error)

// defaultDiskMB is the size of a Disk that does not say it.
const defaultDiskMB = 64

// File is copied into a container before it starts.
type File struct {
	Path    string
	Mode    fs.FileMode
	Content []byte
}
