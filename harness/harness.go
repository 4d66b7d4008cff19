// Package harness starts, observes and tears down real systems in containers.
//
// A run owns one Env: its networks (zones), its containers (nodes) and the
// label that marks them all, so that whoever cleans up finds them without
// asking the author. A System is a declaration; Start turns it into a Running,
// whose capabilities are small optional interfaces found by type assertion.
//
//	System ──Start(Env)──▶ Running ── Nodes, RoleReporter, RedundancyReporter,
//	                                  Settler, SetStore, HTTPServer, Milestones ...
//
// A Node can only be made by an Env: faults are aimed at Nodes, so no call can
// aim at a container that this run does not own.
package harness

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Labels that mark everything a run starts: containers, networks, volumes.
const (
	LabelRun   = "hadrill.run"   // the run's id
	LabelNode  = "hadrill.node"  // the node's name
	LabelOwner = "hadrill.owner" // "pid:starttime" of the process that started the run
	LabelRole  = "hadrill.part"  // "node", "agent", "network", "volume"
)

// PartAgent is the value of LabelRole on the fault agent's container and record.
const PartAgent = "agent"

// System is the declaration of a real system: plain data until Start.
type System interface {
	// Name names the system, for example "redis-sentinel".
	Name() string
	// Start brings the system up inside env and returns when every node
	// answers its own protocol. What it started is env's to stop, also when
	// Start fails half-way.
	Start(ctx context.Context, env *Env) (Running, error)
}

// Running is a started system.
type Running interface {
	// Nodes returns every node of the system, in a stable order.
	Nodes() []*Node
}

// Role is the part a node plays in its system.
type Role string

// The roles. A Role is also a Selector: the nodes that play it now.
const (
	Primary Role = "primary" // accepts writes, or serves the traffic
	Replica Role = "replica" // a stand-by with the data
	Arbiter Role = "arbiter" // votes, holds no data (sentinel, controller)
	Proxy   Role = "proxy"   // routes to others
	Unknown Role = "unknown" // does not answer, or does not know
)

// Belief is what one node says of the world, by its own protocol.
type Belief struct {
	Node    string // who says it
	Self    Role   // its own role, Unknown when it does not answer
	Primary string // name of the node it believes primary; "" when it does not say
	Term    int64  // epoch, view or generation, 0 when it has none
	Err     string // why it did not answer
}

// RoleReporter is a Running whose nodes can each be asked who is primary.
// Beliefs asks all nodes at once and returns one Belief a node within about
// 100 ms, whether it answers or not: two believers at once is a finding.
type RoleReporter interface {
	Beliefs(ctx context.Context) []Belief
}

// RedundancyReporter is a Running that knows how many of its members serve.
type RedundancyReporter interface {
	Redundancy(ctx context.Context) (have, want int, err error)
}

// Settler is a Running that can prove its steady state. Settle returns nil
// when the state is steady, an error that says what is not when ctx ends.
type Settler interface {
	Settle(ctx context.Context) error
}

// Quiescer is a Running that knows when a definitive read may be made, which
// can be long before redundancy is whole again: after healing, when no node
// can still bring back or take away what was written. Without it, Settle says.
type Quiescer interface {
	Quiesce(ctx context.Context) error
}

// Milestone is a system's own word on its failure, read from a node's log.
type Milestone struct {
	Declared bool // a component declares the failure (t2)
	Owner    bool // a component declares the new owner (t3)
	Keep     bool // a line worth keeping on the timeline
	Text     string
}

// Milestones is a Running that can read its own nodes' logs. Milestone is
// called for every log line, concurrently.
type Milestones interface {
	Milestone(node, line string) (Milestone, bool)
}

// Stopper is a Running with something of its own to stop (clients,
// goroutines) before its containers go.
type Stopper interface {
	Stop(ctx context.Context) error
}

// Vantage is a place that clients come from: a client zone's network, or the
// data network itself. Connections made through it cannot leave its bridge.
type Vantage interface {
	// Name is the client zone's name, "" for the data network.
	Name() string
	// DialContext connects to a node's address of the data network; in a
	// client zone it is translated to the node's address in that zone.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// SetStore is a Running that keeps sets of unique integers: the workload that
// finds lost writes.
type SetStore interface {
	// OpenSet connects one virtual user. The client finds the primary as real
	// clients of this system do.
	OpenSet(ctx context.Context, from Vantage) (SetClient, error)
}

// SetClient is one virtual user of a SetStore. Not for concurrent use. Errors
// that are known not to have taken effect are wrapped by Definite; every
// other error leaves the outcome unknown.
type SetClient interface {
	Add(ctx context.Context, set uint64, element int64) error
	// Elements reads a whole set from the primary.
	Elements(ctx context.Context, set uint64) ([]int64, error)
	Close() error
}

// RegisterStore is a Running that keeps integer registers.
type RegisterStore interface {
	OpenRegisters(ctx context.Context, from Vantage) (RegisterClient, error)
}

// RegisterClient is one virtual user of a RegisterStore; same rules as SetClient.
type RegisterClient interface {
	Read(ctx context.Context, key uint64) (value int64, found bool, err error)
	Write(ctx context.Context, key uint64, value int64) error
	CompareAndSet(ctx context.Context, key uint64, old, new int64) (swapped bool, err error)
	Close() error
}

// HTTPServer is a Running that serves HTTP.
type HTTPServer interface {
	// URL returns the base URL that clients use, with an IP literal.
	URL() string
}

// TLSServer is an HTTPServer whose URL is https. ClientTLS is what its clients
// trust, and show if they must; each call returns one that may be changed.
type TLSServer interface {
	HTTPServer
	ClientTLS() *tls.Config
}

// Authorizer is an HTTPServer that lets in only who shows a valid token.
// Authorization returns where to get the value of the Authorization header, as
// it is at each moment, for a kind of token that the system knows: valid ones,
// and those that must not be let in. The function is called concurrently and
// does not wait; "" means no header.
type Authorizer interface {
	HTTPServer
	Authorization(kind string) (func() string, error)
}

// definite marks an error whose operation is known not to have taken effect.
type definite struct{ error }

func (d definite) Unwrap() error { return d.error }

// Definite wraps err to say that the operation is known not to have taken
// effect: refused before it was sent, or rejected by the server.
func Definite(err error) error {
	if err == nil {
		return nil
	}
	return definite{err}
}

// IsDefinite tells whether err says that nothing took effect.
func IsDefinite(err error) bool {
	for err != nil {
		if _, ok := err.(definite); ok {
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

// Clock gives the run's time: nanoseconds of CLOCK_MONOTONIC since the run began.
type Clock interface {
	Now() int64
	// At converts a wall-clock time of this host to the run's time.
	At(wall time.Time) int64
}
