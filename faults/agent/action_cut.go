package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables"
)

// ActionCut makes a node deaf to some peers, and mute towards others.
const ActionCut = "cut"

// CutParams say whom a node is cut off from. Peers inside the run are named by
// container: the agent knows all their addresses, and its proof is a packet
// sent from there. Whoever else there is (a client zone's source address) is
// given as an address.
type CutParams struct {
	From        []string     `json:"from,omitempty"`         // containers whose packets to the node are dropped
	FromAddress []netip.Addr `json:"from_address,omitempty"` // sources whose packets to the node are dropped
	ToAddress   []netip.Addr `json:"to_address,omitempty"`   // destinations that the node's packets never reach
}

const (
	// priorityCut comes before connection tracking and before the engine's own
	// chains (netfilter: raw is -300).
	priorityCut = -300
	// prioritySpoil is behind all address translation.
	prioritySpoil = 300
	discardPort   = 9 // RFC 863
)

var _ = register(Action{
	Name: ActionCut,
	Doc:  "packets between the node and some peers are lost, in one or both directions, without a word",
	Use:  []string{"nftables"},
	Lost: WithNamespace,
	Apply: func(ctx context.Context, t *Target) (Evidence, error) {
		p, sources, err := cutPeers(ctx, t)
		if err != nil {
			return Evidence{}, err
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		seen := Evidence{Before: monotonic(), How: "rule counter"}
		err = life.AddTable(t.ID, func(r *Rules) {
			in := r.Chain("in", nftables.ChainHookPrerouting, priorityCut, nftables.ChainTypeFilter)
			for _, source := range append(sources, p.FromAddress...) {
				r.Add(in, "from "+source.String(), matchAddress(source, false), count(), drop())
			}
			if len(p.ToAddress) > 0 {
				out := r.Chain("out", nftables.ChainHookPostrouting, prioritySpoil, nftables.ChainTypeFilter)
				for _, destination := range p.ToAddress {
					r.Add(out, "to "+destination.String(), matchAddress(destination, true), count(), spoil())
				}
			}
		})
		seen.After = monotonic() // a transaction is in force when it is acknowledged
		return seen, err
	},
	Verify: verifyCut,
	Undo:   undoTable,
	Undone: tableGone,
	Audit:  auditTables,
})

// cutPeers resolves containers to their addresses.
func cutPeers(ctx context.Context, t *Target) (CutParams, []netip.Addr, error) {
	var p CutParams
	if err := t.Decode(&p); err != nil {
		return p, nil, err
	}
	if len(p.From)+len(p.FromAddress)+len(p.ToAddress) == 0 {
		return p, nil, errors.New("no peer given")
	}
	sources, err := t.addressesOf(ctx, p.From)
	return p, sources, err
}

// verifyCut reads the rules back from the kernel, then sends one packet from
// each running peer that shares a network with the node and waits for the rule
// to count it: the kernel's own word that a packet from there ends here.
// Sources outside the run are proven by their rule alone.
func verifyCut(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
	life, err := t.Node.Life()
	if err != nil {
		return Evidence{}, err
	}
	p, sources, err := cutPeers(ctx, t)
	if err != nil {
		return Evidence{}, err
	}
	want := len(sources) + len(p.FromAddress) + len(p.ToAddress)
	before, err := rulesByTag(life, t.ID)
	if err != nil {
		return Evidence{}, err
	}
	if len(before) != want {
		return Evidence{}, fmt.Errorf("the kernel lists %d rules of this fault, want %d", len(before), want)
	}
	expected := map[string]bool{}
	for _, id := range p.From {
		peer, err := t.Host.Node(ctx, id)
		if err != nil {
			return Evidence{}, err
		}
		for _, tag := range probeFrom(peer, t.Node) {
			expected[tag] = true
		}
	}
	if err := awaitCounted(life, t.ID, before, expected); err != nil {
		return Evidence{}, err
	}
	if applied.Before == 0 {
		applied.Before, applied.After = monotonic(), monotonic()
	}
	applied.How = "rule counter"
	applied.Detail = fmt.Sprintf("%d rules listed, %d of them counted a probe", len(before), len(expected))
	if len(expected) == 0 {
		applied.How = "rule list"
	}
	return applied, nil
}

func rulesByTag(l *Life, table string) (map[string]uint64, error) {
	rules, present, err := l.ListTable(table)
	if err != nil {
		return nil, err
	}
	if !present {
		return nil, fmt.Errorf("nftables table %s%s has vanished", TablePrefix, table)
	}
	found := map[string]uint64{}
	for _, r := range rules {
		found[r.Tag] = r.Packets
	}
	return found, nil
}

// probeFrom sends one datagram from a peer to each of the node's addresses; see
// sendProbes.
func probeFrom(peer, node *Node) []string { return sendProbes(peer, node, "udp", discardPort) }

// onLink tells whether an address is in a network of an interface of the
// present namespace, and which own address packets to it come from: nothing
// may be sent that a router would carry on.
func onLink(target netip.Addr) (source netip.Addr, ok bool) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return source, false
	}
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Contains(target) && !prefix.Addr().IsLoopback() {
			return prefix.Addr(), true
		}
	}
	return source, false
}

// auditTables lists the agent's tables in a node's namespace.
func auditTables(_ context.Context, n *Node) ([]string, error) {
	life, err := n.Life()
	if err != nil {
		return nil, err
	}
	if life.netns < 0 {
		return nil, nil
	}
	names, err := life.tablesNow()
	for i, name := range names {
		names[i] = fmt.Sprintf("nftables table %s in node %s", strings.TrimSpace(name), n.name)
	}
	return names, err
}
