package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness/engine"
)

// Options say how a run's Env is made. Only Run is required.
type Options struct {
	// Run is the run's id: letters, digits, '-', '_', '.', at most 48.
	Run string
	// Dir is the run's folder; node logs go to Dir/nodes/NAME.log. Empty: none are written.
	Dir string
	// Clock is the run's clock; nil makes one that begins now.
	Clock Clock
	// ClientZones names the places that load comes from, one network each.
	ClientZones []string
	// OnLog is called for every line that a node logs, at the time the engine
	// received it. Called concurrently for different nodes, in order for one.
	OnLog func(node string, at int64, line string)
	// OnNode is called when the engine saw a node start, die or run out of
	// memory ("start", "die", "oom"); exit is the exit code of a death.
	OnNode func(node, what string, at int64, exit int)
	// Progress is told in one line what takes time.
	Progress func(line string)
	// MakeDisk makes the disks that nodes declare; nil: nodes can have none.
	MakeDisk DiskMaker
	// Subnet is the pool for networks; empty: HADRILL_SUBNET, else DefaultSubnet.
	Subnet string
}

// Env is the room of one run: its networks, its nodes and the labels on them.
// It is safe for concurrent use. Close it.
//
//	             host
//	   ┌──────────┴──────────┐
//	data bridge         client-zone bridges      all internal: no way out
//	   │   │   │             │   │   │
//	  n1   n2  n3           n1   n2  n3          every node is on each, at the
//	 .11  .12  .13         .11  .12  .13         same place in the subnet
//
// Nodes talk to each other over the data network. Load comes over a client
// zone's network, so that a cut between nodes leaves their clients connected,
// and a cut between a client zone and a node leaves the cluster whole.
type Env struct {
	engine  *engine.Engine
	options Options
	owner   string
	pool    netip.Prefix
	data    *bridge
	zones   []*bridge

	life   context.Context // ends with Close; owns the goroutines below
	end    context.CancelFunc
	events sync.WaitGroup
	logs   sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	nodes    []*Node
	watched  map[string]*watch // by node name
	places   map[string]int    // node name -> index of its address
	images   map[string]engine.ImageInfo
	fileErrs []error
	kept     []string // by the engine, after Close

	closing atomic.Int64 // Unix time in ns from which nodes speak of their removal alone; 0: not yet
}

var (
	runPattern  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,47}$`)
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)
)

// NewEnv makes the run's networks: the data network and one a client zone. On
// error nothing is left behind.
func NewEnv(ctx context.Context, eng *engine.Engine, o Options) (*Env, error) {
	if !runPattern.MatchString(o.Run) {
		return nil, fmt.Errorf("make env: run id %q: want letters, digits, '-', '_', '.', at most 48", o.Run)
	}
	for i, zone := range o.ClientZones {
		if !namePattern.MatchString(zone) || slices.Contains(o.ClientZones[:i], zone) {
			return nil, fmt.Errorf("make env: client zone %q: want a unique name of lower-case letters, digits and '-'", zone)
		}
	}
	pool, err := subnetPool(o.Subnet)
	if err != nil {
		return nil, err
	}
	owner, err := Owner()
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = NewClock()
	}
	if o.Dir != "" {
		if err := os.MkdirAll(filepath.Join(o.Dir, "nodes"), 0o755); err != nil {
			return nil, fmt.Errorf("make folder for node logs: %w", err)
		}
	}
	e := &Env{
		engine: eng, options: o, owner: owner, pool: pool,
		watched: map[string]*watch{}, places: map[string]int{}, images: map[string]engine.ImageInfo{},
	}
	e.life, e.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := e.makeNetworks(ctx); err != nil {
		rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return nil, errors.Join(err, e.Close(rest))
	}
	if err := e.watchEvents(ctx); err != nil {
		rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return nil, errors.Join(err, e.Close(rest))
	}
	return e, nil
}

// makeNetworks makes them one after the other: each looks for a free subnet.
func (e *Env) makeNetworks(ctx context.Context) error {
	var err error
	if e.data, err = e.makeBridge(ctx, "", 0); err != nil {
		return err
	}
	for i, zone := range e.options.ClientZones {
		b, err := e.makeBridge(ctx, zone, i+1)
		if err != nil {
			return err
		}
		e.zones = append(e.zones, b)
	}
	return nil
}

// labels are the labels of everything this run starts.
func (e *Env) labels(part, node string) map[string]string {
	l := map[string]string{LabelRun: e.options.Run, LabelOwner: e.owner, LabelRole: part}
	if node != "" {
		l[LabelNode] = node
	}
	return l
}

// Run is the run's id.
func (e *Env) Run() string { return e.options.Run }

// Dir is the run's folder, "" for none.
func (e *Env) Dir() string { return e.options.Dir }

// Clock is the run's clock.
func (e *Env) Clock() Clock { return e.options.Clock }

// Engine is the engine that the run's containers live in.
func (e *Env) Engine() *engine.Engine { return e.engine }

// Nodes returns every node started so far, in start order.
func (e *Env) Nodes() []*Node {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.nodes)
}

// Address returns the data-network address that the i-th node of the run (from
// 0) has or will get, so that configurations can name nodes before they start.
// It is invalid when the network has no such place.
func (e *Env) Address(i int) netip.Addr { return nodeAddr(e.data.prefix, i) }

// Reserve fixes the address of a node that will be started later under this
// name, and returns it. Systems that share an Env reserve by name, so that they
// need not know of each other. It is invalid when the network is full.
func (e *Env) Reserve(name string) netip.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	return nodeAddr(e.data.prefix, e.place(name))
}

// place returns the index of a node's address, giving out the next one to a
// name not seen before. Call with mu held.
func (e *Env) place(name string) int {
	i, ok := e.places[name]
	if !ok {
		i = len(e.places)
		e.places[name] = i
	}
	return i
}

// Data is the vantage of the data network itself: for observation, and for
// load where there are no client zones.
func (e *Env) Data() Vantage { return &vantage{from: e.data, data: e.data.prefix} }

// Client is the vantage of a client zone; "" is the data network's.
func (e *Env) Client(zone string) (Vantage, error) {
	b, err := e.bridgeOf(zone)
	if err != nil {
		return nil, err
	}
	return &vantage{from: b, data: e.data.prefix}, nil
}

// ClientZones names the client zones.
func (e *Env) ClientZones() []string { return slices.Clone(e.options.ClientZones) }

// GatewayOf is the host's address on a client zone's network ("" for the data
// network): the source address that nodes see of load from that vantage. A
// fault that cuts a client zone off drops it in the nodes' namespaces. It is
// invalid for an unknown zone.
func (e *Env) GatewayOf(zone string) netip.Addr {
	b, err := e.bridgeOf(zone)
	if err != nil {
		return netip.Addr{}
	}
	return b.gateway
}

func (e *Env) bridgeOf(zone string) (*bridge, error) {
	if zone == "" {
		return e.data, nil
	}
	for _, b := range e.zones {
		if b.zone == zone {
			return b, nil
		}
	}
	return nil, fmt.Errorf("client zone %q: the run has none of this name (it has %s)", zone, strings.Join(e.options.ClientZones, ", "))
}

// Images maps each component in use to "reference@id".
func (e *Env) Images() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]string{}
	for component, info := range e.images {
		out[component] = info.Ref + "@" + info.ID
	}
	return out
}

// Versions maps each package in use to its version, as its image states it.
func (e *Env) Versions() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]string{}
	for _, info := range e.images {
		maps.Copy(out, info.Versions)
	}
	return out
}

func (e *Env) progress(format string, args ...any) {
	if e.options.Progress != nil {
		e.options.Progress(fmt.Sprintf(format, args...))
	}
}
