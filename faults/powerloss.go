package faults

import (
	"cmp"
	"context"
	"errors"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "power-loss",
	Meaning: "the node goes silent: it is cut off first, then killed, so no peer sees a connection closed",
	Ladder:  []Mechanism{Nftables},
	Proof:   "rule counters of the cut, then the process's pidfd becomes readable",
	Healing: "the cut is taken away, then the container is started again",
})

// PowerLoss takes the nodes away as a power cut does: peers, and the clients of
// the given zones ("" is the data network), see silence and no closed
// connection. Disks are not part of it: what the node wrote is there when it
// comes back; see [PowerCut].
func PowerLoss(aim harness.Selector, clients ...string) Fault {
	return powerLoss{aim, clients, "power-loss", agent.ActionKill}
}

// powerLoss is also [PowerCut]: they differ in how the node ends.
type powerLoss struct {
	aim     harness.Selector
	clients []string
	name    string
	end     string // action
}

func (p powerLoss) Spec() Spec {
	s := Spec{Fault: p.name, Aim: text(p.aim)}
	for i, zone := range p.clients {
		if i == 0 {
			s.Params = "clients="
		} else {
			s.Params += ","
		}
		s.Params += cmp.Or(zone, "data")
	}
	return s
}

func (p powerLoss) Requires() []Mechanism {
	if p.end == agent.ActionPowerCut {
		return []Mechanism{Nftables, Pidfd, LoopDevice, Freezer}
	}
	return []Mechanism{Nftables, Pidfd}
}

func (p powerLoss) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, p.name, p.aim)
	if err != nil {
		return nil, err
	}
	silent, err := p.silence(ctx, f, nodes)
	if err != nil {
		return nil, err
	}
	var dark Proof
	if silent != nil {
		// A dead node can send no probe: the silence is proven before.
		if dark, err = silent.Effective(ctx); err != nil {
			return nil, errors.Join(err, silent.Heal(ctx))
		}
	}
	dead, err := strike(ctx, f, nodes, p.end, nil)
	if err != nil {
		if silent != nil {
			err = errors.Join(err, silent.Heal(ctx))
		}
		return nil, err
	}
	if silent == nil {
		return dead, nil
	}
	return &powered{silent: silent, dead: dead, dark: dark}, nil
}

// silence cuts the nodes off. A node that is all alone has nobody to be cut
// off from: then the kill is all there is.
func (p powerLoss) silence(ctx context.Context, f *Field, nodes []*harness.Node) (Injection, error) {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name()
	}
	// The nodes are named, not selected again: roles may change meanwhile.
	left := Side{Nodes: harness.Named(names...)}
	right := Side{Clients: p.clients, rest: len(nodes) < len(f.System.Nodes())}
	if right.empty() {
		return nil, nil
	}
	return Partition{Left: left, Right: right}.Inject(ctx, f)
}

// powered is a cut and then a kill.
type powered struct {
	silent, dead Injection
	dark         Proof // of the cut
}

func (p *powered) Nodes() []*harness.Node { return p.dead.Nodes() }

// Effective returns a bracket from the cut's order to its last rule: from there
// on nobody heard of the node. That it died too is waited for.
func (p *powered) Effective(ctx context.Context) (Proof, error) {
	proof, err := p.dead.Effective(ctx)
	if err != nil {
		return proof, err
	}
	dark := p.dark
	dark.How += ", " + proof.How
	dark.Detail += "; then " + proof.Detail
	return dark, nil
}

func (p *powered) Heal(ctx context.Context) error {
	return errors.Join(p.silent.Heal(ctx), p.dead.Heal(ctx))
}

func (p *powered) Healed(ctx context.Context) (Proof, error) {
	if _, err := p.silent.Healed(ctx); err != nil {
		return Proof{}, err
	}
	return p.dead.Healed(ctx)
}
