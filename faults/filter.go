package faults

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/harness"
)

const (
	filterProof   = "the rules as the kernel lists them; where one packet shows it, counters moved by a peer's"
	filterHealing = "the rules are deleted"
)

// filtered is every fault that takes some of a link's packets away.
type filtered struct {
	name   string
	link   Link
	params agent.FilterParams // without sources, protocol and port: the link's
	text   string
}

func (f filtered) Spec() Spec            { return Spec{Fault: f.name, Aim: f.link.String(), Params: f.text} }
func (f filtered) Requires() []Mechanism { return []Mechanism{Nftables} }

func (f filtered) Inject(ctx context.Context, field *Field) (Injection, error) {
	nodes, err := resolve(ctx, field, f.name, f.link.To)
	if err != nil {
		return nil, err
	}
	commands := make([]agent.Command, len(nodes))
	for i, n := range nodes {
		p := f.params
		if f.link.Proto != "" {
			if p.Proto != "" && p.Proto != string(f.link.Proto) {
				return nil, fmt.Errorf("%s: link %s is not %s", f.name, f.link, p.Proto)
			}
			p.Proto = string(f.link.Proto)
		}
		if p.Port = f.link.Port; p.Port != 0 && p.Proto == "" {
			p.Proto = string(impair.TCP)
		}
		if p.From, p.FromAddress, err = f.link.sources(ctx, field, f.name, n); err != nil {
			return nil, err
		}
		commands[i] = agent.Command{Action: agent.ActionFilter, Container: n.ContainerID(), Params: p}
	}
	return inject(ctx, field, nodes, commands)
}

// sources resolves whom a link comes from, as seen by one node; nobody named
// means everybody, and both are empty then.
func (l Link) sources(ctx context.Context, f *Field, fault string, to *harness.Node) (containers []string, addresses []netip.Addr, err error) {
	if l.From.empty() {
		return nil, nil, nil
	}
	from, err := resolveSide(ctx, f, fault, l.From)
	if err != nil {
		return nil, nil, err
	}
	for _, peer := range from.nodes {
		if peer != to { // a node that is on both ends does not hear itself
			containers = append(containers, peer.ContainerID())
		}
	}
	if len(containers)+len(from.sources) == 0 {
		return nil, nil, fmt.Errorf("%s: link %s joins node %s with itself only", fault, l, to.Name())
	}
	slices.Sort(containers)
	addresses = slices.Clone(from.sources)
	slices.SortFunc(addresses, netip.Addr.Compare)
	return containers, addresses, nil
}
