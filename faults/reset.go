package faults

import (
	"context"
	"errors"
	"fmt"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var (
	_ = describe(Entry{
		Name:    "reset-connections",
		Meaning: "established connections are destroyed once: both ends get an error at the next use",
		Ladder:  []Mechanism{SocketDestroy},
		Proof:   "the kernel no longer lists the connections",
		Healing: "none is needed: it is done once, new connections can be made at once",
	})
	_ = describe(Entry{
		Name:    "half-open",
		Meaning: "one end of connections is destroyed without the other hearing of it: it waits on a dead connection",
		Ladder:  []Mechanism{SocketDestroy},
		Proof:   "rule counters of a short cut, then the kernel of the losing end no longer lists the connections",
		Healing: "none is needed: the keeping end learns of it when it next sends",
	})
)

// ResetConnections destroys the established TCP connections between a link's
// two ends, once. The link's port is that of To. Finding none is no proof.
func ResetConnections(l Link) Fault { return reset{l} }

type reset struct{ link Link }

func (r reset) Spec() Spec            { return Spec{Fault: "reset-connections", Aim: r.link.String()} }
func (r reset) Requires() []Mechanism { return []Mechanism{SocketDestroy} }

func (r reset) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "reset-connections", r.link.To)
	if err != nil {
		return nil, err
	}
	commands := make([]agent.Command, len(nodes))
	for i, n := range nodes {
		peers, addresses, err := r.link.sources(ctx, f, "reset-connections", n)
		if err != nil {
			return nil, err
		}
		commands[i] = agent.Command{Action: agent.ActionReset, Container: n.ContainerID(),
			Params: agent.ResetParams{Peers: peers, PeerAddress: addresses, Port: r.link.Port}}
	}
	return inject(ctx, f, nodes, commands)
}

// HalfOpen destroys the Loses end of the connections between two nodes or sets
// of nodes, while the Keeps end is not told: what a crashed and restarted host
// or a forgetful firewall leaves behind. For the few milliseconds in which it
// is done the two are cut off from each other.
type HalfOpen struct{ Keeps, Loses harness.Selector }

// Spec implements Fault.
func (h HalfOpen) Spec() Spec {
	return Spec{Fault: "half-open", Aim: text(h.Keeps) + " keeps, " + text(h.Loses) + " loses"}
}

// Requires implements Fault.
func (h HalfOpen) Requires() []Mechanism { return []Mechanism{SocketDestroy, Nftables} }

// Inject implements Fault. The cut is over when it returns.
func (h HalfOpen) Inject(ctx context.Context, f *Field) (Injection, error) {
	keeps, loses, err := sides(ctx, f, "half-open", Side{Nodes: h.Keeps}, Side{Nodes: h.Loses})
	if err != nil {
		return nil, err
	}
	// Only what would tell the keeping end is lost: packets to it.
	silence, err := cut(ctx, f, "half-open", []direction{{loses, keeps}})
	if err != nil {
		return nil, err
	}
	if _, err := silence.Effective(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("half-open: %w", err), silence.Heal(ctx))
	}
	peers := make([]string, len(keeps.nodes))
	for i, n := range keeps.nodes {
		peers[i] = n.ContainerID()
	}
	destroyed, err := strike(ctx, f, loses.nodes, agent.ActionReset, agent.ResetParams{Peers: peers})
	if err = errors.Join(err, silence.Heal(ctx)); err != nil {
		return nil, err
	}
	return destroyed, nil
}
