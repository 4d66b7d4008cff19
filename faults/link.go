package faults

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/harness"
)

// Link is the packets that go one way: into nodes, from some peers.
//
//	From: nodes, clients of zones, or everybody ──▶ To: nodes
//
// They are impaired where they arrive, as if the wire had done it; nothing is
// done at the sender, and never anything on the host. For both ways between
// nodes inject the two links.
type Link struct {
	To   harness.Selector
	From Side // zero: everybody, nodes and clients alike
	// Port and Proto narrow the link to one port of To; zero is all packets.
	Proto impair.Proto
	Port  uint16
}

// String writes the link as plans and records have it.
func (l Link) String() string {
	from := "everybody"
	if !l.From.empty() {
		from = l.From.String()
	}
	s := from + " > " + text(l.To)
	if l.Port != 0 {
		s += fmt.Sprintf(" %s/%d", l.Proto, l.Port)
	} else if l.Proto != "" {
		s += " " + string(l.Proto)
	}
	return s
}

// Impair does anything that an impairment can say to a link. Delay, Jitter and
// the others are its common forms.
func Impair(l Link, im impair.Impairment) Fault { return impaired{"impair", l, im} }

var _ = describe(Entry{
	Name:    "impair",
	Meaning: "packets that arrive on a link suffer several impairments at once",
	Ladder:  linkLadder,
	Proof:   linkProof,
	Healing: linkHealing,
})

var linkLadder = []Mechanism{Netem, PacketQueue}

const (
	linkProof   = "the kernel lists the rule, and a datagram from every peer is counted by the mechanism"
	linkHealing = "the rule goes, then what is held is let through at once"
)

// impaired is every fault of a link.
type impaired struct {
	name string
	link Link
	im   impair.Impairment
}

func (i impaired) Spec() Spec {
	return Spec{Fault: i.name, Aim: i.link.String(), Params: i.im.String()}
}

// Requires names the mechanism that the ladder ends with.
func (i impaired) Requires() []Mechanism { return []Mechanism{PacketQueue} }

// Ladder implements Alternatives.
func (i impaired) Ladder() []Mechanism {
	if i.im.InOrder {
		return []Mechanism{PacketQueue}
	}
	return linkLadder
}

func (i impaired) Inject(ctx context.Context, f *Field) (Injection, error) {
	if err := i.im.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", i.name, err)
	}
	nodes, err := resolve(ctx, f, i.name, i.link.To)
	if err != nil {
		return nil, err
	}
	var from members
	if !i.link.From.empty() {
		if from, err = resolveSide(ctx, f, i.name, i.link.From); err != nil {
			return nil, err
		}
	}
	commands := make([]agent.Command, len(nodes))
	for k, n := range nodes {
		p := agent.ImpairParams{Proto: i.link.Proto, Port: i.link.Port, Impairment: i.im, Anyone: i.link.From.empty()}
		for _, peer := range from.nodes {
			if peer != n { // a node that is on both ends does not hear itself
				p.From = append(p.From, peer.ContainerID())
			}
		}
		slices.Sort(p.From)
		p.FromAddress = slices.Clone(from.sources)
		slices.SortFunc(p.FromAddress, netip.Addr.Compare)
		if !p.Anyone && len(p.From)+len(p.FromAddress) == 0 {
			return nil, errors.New(i.name + ": " + i.link.String() + " joins node " + n.Name() + " with itself only")
		}
		commands[k] = agent.Command{Action: agent.ActionImpair, Container: n.ContainerID(), Params: p}
	}
	return inject(ctx, f, nodes, commands)
}
