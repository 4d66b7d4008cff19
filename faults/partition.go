package faults

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var (
	_ = describe(Entry{
		Name:    "partition",
		Meaning: "packets between two sides are lost in both directions, without a word to either",
		Ladder:  []Mechanism{Nftables},
		Proof:   "the rules as the kernel lists them, and their counters moved by a packet from every peer",
		Healing: "the rules are deleted; connections resume about one retransmission time-out later",
	})
	_ = describe(Entry{
		Name:    "one-way",
		Meaning: "packets from one side to the other are lost; those the other way arrive",
		Ladder:  []Mechanism{Nftables},
		Proof:   "as for partition",
		Healing: "as for partition",
	})
)

// Side is one side of a partition: nodes, and the clients of some zones.
type Side struct {
	Nodes harness.Selector // nil: none
	// Clients are client zones; "" is the data network, from where the run
	// itself looks at the nodes. Clients are cut off at the nodes: the host's
	// own network is never touched.
	Clients []string

	rest bool // every node that the other side does not select
}

func (s Side) String() string {
	var parts []string
	if s.rest {
		parts = append(parts, "the rest")
	}
	if s.Nodes != nil {
		parts = append(parts, s.Nodes.String())
	}
	for _, zone := range s.Clients {
		if zone == "" {
			zone = "data"
		}
		parts = append(parts, "clients:"+zone)
	}
	return strings.Join(parts, "+")
}

func (s Side) empty() bool { return s.Nodes == nil && len(s.Clients) == 0 && !s.rest }

// orRest is the side, or everybody else where nobody is named.
func (s Side) orRest() Side {
	s.rest = s.rest || s.empty()
	return s
}

// Partition cuts two sides off from each other, in both directions. The rules
// lie at the receivers, so senders see silence and not an error. A zero Right
// is every node that Left does not select. Nodes on neither side, such as
// arbiters, see both.
//
//	Left            ╳            Right
//	{primary, client a} ──╳── {replica-1, replica-2}
type Partition struct{ Left, Right Side }

// Spec implements Fault.
func (p Partition) Spec() Spec {
	return Spec{Fault: "partition", Aim: p.Left.String() + " | " + p.Right.orRest().String()}
}

// Requires implements Fault.
func (p Partition) Requires() []Mechanism { return []Mechanism{Nftables} }

// Inject implements Fault.
func (p Partition) Inject(ctx context.Context, f *Field) (Injection, error) {
	left, right, err := sides(ctx, f, "partition", p.Left, p.Right)
	if err != nil {
		return nil, err
	}
	return cut(ctx, f, "partition", []direction{{left, right}, {right, left}})
}

// OneWay loses the packets from one side to the other. A zero To is every node
// that From does not select.
type OneWay struct{ From, To Side }

// Spec implements Fault.
func (o OneWay) Spec() Spec {
	return Spec{Fault: "one-way", Aim: o.From.String() + " > " + o.To.orRest().String()}
}

// Requires implements Fault.
func (o OneWay) Requires() []Mechanism { return []Mechanism{Nftables} }

// Inject implements Fault.
func (o OneWay) Inject(ctx context.Context, f *Field) (Injection, error) {
	from, to, err := sides(ctx, f, "one-way", o.From, o.To)
	if err != nil {
		return nil, err
	}
	return cut(ctx, f, "one-way", []direction{{from, to}})
}

// Isolate cuts the nodes off from every other node, and from the clients of
// the given zones ("" is the data network). The selected nodes still see each
// other.
func Isolate(aim harness.Selector, clients ...string) Fault {
	return Partition{Left: Side{Nodes: aim}, Right: Side{Clients: clients, rest: true}}
}

// members are a side's nodes and client addresses, resolved.
type members struct {
	nodes   []*harness.Node
	sources []netip.Addr
}

// direction is one way of a cut: packets from one side to the other.
type direction struct{ from, to members }

// sides resolves both sides at one moment.
func sides(ctx context.Context, f *Field, fault string, a, b Side) (left, right members, err error) {
	if left, err = resolveSide(ctx, f, fault, a); err != nil {
		return left, right, err
	}
	b = b.orRest()
	if right, err = resolveSide(ctx, f, fault, b); err != nil {
		return left, right, err
	}
	if b.rest {
		// Counted from the nodes that were found, not selected a second time:
		// roles may have changed in between.
		for _, n := range f.System.Nodes() {
			if !slices.Contains(left.nodes, n) && !slices.Contains(right.nodes, n) {
				right.nodes = append(right.nodes, n)
			}
		}
		if len(right.nodes) == 0 {
			return left, right, fmt.Errorf("%s: %s leaves no node for the other side", fault, a)
		}
	}
	for _, n := range left.nodes {
		if slices.Contains(right.nodes, n) {
			return left, right, fmt.Errorf("%s: node %s is on both sides (%s and %s)", fault, n.Name(), a, b)
		}
	}
	if len(left.nodes)+len(right.nodes) == 0 {
		return left, right, fmt.Errorf("%s: no node on either side", fault)
	}
	return left, right, nil
}

func resolveSide(ctx context.Context, f *Field, fault string, s Side) (m members, err error) {
	if s.empty() {
		return m, fmt.Errorf("%s: a side is empty", fault)
	}
	if s.Nodes != nil {
		if m.nodes, err = resolve(ctx, f, fault, s.Nodes); err != nil {
			return m, err
		}
	}
	for _, zone := range s.Clients {
		if f.Source == nil {
			return m, errors.New(fault + ": this run has no client zones")
		}
		source, err := f.Source(zone)
		if err != nil {
			return m, fmt.Errorf("%s: clients of zone %q: %w", fault, zone, err)
		}
		addr, err := netip.ParseAddr(source)
		if err != nil {
			return m, fmt.Errorf("%s: clients of zone %q: %w", fault, zone, err)
		}
		m.sources = append(m.sources, addr)
	}
	return m, nil
}

// cut does all directions with one order: one table a node.
func cut(ctx context.Context, f *Field, fault string, directions []direction) (Injection, error) {
	params := map[*harness.Node]*agent.CutParams{}
	of := func(n *harness.Node) *agent.CutParams {
		if params[n] == nil {
			params[n] = &agent.CutParams{}
		}
		return params[n]
	}
	for _, d := range directions {
		for _, to := range d.to.nodes {
			for _, from := range d.from.nodes {
				of(to).From = append(of(to).From, from.ContainerID())
			}
			if len(d.from.sources) > 0 {
				of(to).FromAddress = append(of(to).FromAddress, d.from.sources...)
			}
		}
		for _, from := range d.from.nodes {
			if len(d.to.sources) > 0 {
				of(from).ToAddress = append(of(from).ToAddress, d.to.sources...)
			}
		}
	}
	var nodes []*harness.Node
	var commands []agent.Command
	for _, n := range f.System.Nodes() { // in their stable order
		p := params[n]
		if p == nil {
			continue
		}
		slices.Sort(p.From)
		p.From = slices.Compact(p.From)
		slices.SortFunc(p.FromAddress, netip.Addr.Compare)
		slices.SortFunc(p.ToAddress, netip.Addr.Compare)
		nodes = append(nodes, n)
		commands = append(commands, agent.Command{Action: agent.ActionCut, Container: n.ContainerID(), Params: p})
	}
	if len(commands) == 0 {
		return nil, fmt.Errorf("%s: nothing to cut", fault)
	}
	return inject(ctx, f, nodes, commands)
}
