package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ActionFilter takes some of the packets that arrive at a node away.
const ActionFilter = "filter"

// FilterParams say which packets that arrive at the node are taken, and how.
// All given conditions must hold.
type FilterParams struct {
	From        []string     `json:"from,omitempty"`         // containers, by all their addresses
	FromAddress []netip.Addr `json:"from_address,omitempty"` // other sources; with no From at all: anyone
	Proto       string       `json:"proto,omitempty"`        // "tcp", "udp"; "" is every protocol
	Port        uint16       `json:"port,omitempty"`         // of the node; needs Proto
	SourcePort  uint16       `json:"source_port,omitempty"`  // of the sender; needs Proto
	Flags       string       `json:"flags,omitempty"`        // FlagsOpening or FlagsClosing; needs Proto "tcp"
	Reset       bool         `json:"reset,omitempty"`        // answer with TCP RST instead of silence
	Chance      float64      `json:"chance,omitempty"`       // 0..1 of each packet; 0 is every one

	local bool // also the node's talk with itself
}

// The TCP packets that a filter can tell apart.
const (
	FlagsOpening = "opening" // SYN without ACK: connection attempts
	FlagsClosing = "closing" // FIN or RST: a connection's end
)

// chanceScale is the resolution of a chance: one in a million.
const chanceScale = 1_000_000

func (p FilterParams) validate() error {
	switch {
	case p.Proto != "" && p.Proto != "tcp" && p.Proto != "udp":
		return fmt.Errorf("unknown protocol %q", p.Proto)
	case p.Proto == "" && p.Port+p.SourcePort != 0:
		return errors.New("a port needs a protocol")
	case p.Flags != "" && p.Flags != FlagsOpening && p.Flags != FlagsClosing:
		return fmt.Errorf("unknown flags %q", p.Flags)
	case p.Proto != "tcp" && (p.Flags != "" || p.Reset):
		return errors.New("flags and reset need protocol tcp")
	case p.Chance < 0 || p.Chance > 1:
		return fmt.Errorf("chance %v: want 0 to 1", p.Chance)
	}
	return nil
}

var _ = register(Action{
	Name: ActionFilter,
	Doc:  "some packets that arrive at the node are lost, or answered with a reset",
	Use:  []string{"nftables"},
	Lost: WithNamespace,
	Apply: func(ctx context.Context, t *Target) (Evidence, error) {
		p, sources, err := filterSources(ctx, t)
		if err != nil {
			return Evidence{}, err
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		seen := Evidence{Before: monotonic(), How: "rule list"}
		err = life.AddTable(t.ID, func(r *Rules) {
			hook := nftables.ChainHookPrerouting
			if p.Reset {
				hook = nftables.ChainHookInput // where the kernel can answer
			}
			chain := r.Chain("in", hook, priorityCut, nftables.ChainTypeFilter)
			if len(sources) == 0 {
				r.Add(chain, "from anyone", p.match(), count(), p.verdict())
			}
			for _, source := range sources {
				r.Add(chain, "from "+source.String(), matchAddress(source, false), p.match(), count(), p.verdict())
			}
		})
		seen.After = monotonic()
		return seen, err
	},
	Verify: verifyFilter,
	Undo:   undoTable,
	Undone: tableGone,
})

// filterSources resolves the sources; none means anyone.
func filterSources(ctx context.Context, t *Target) (FilterParams, []netip.Addr, error) {
	var p FilterParams
	if err := t.Decode(&p); err != nil {
		return p, nil, err
	}
	if err := p.validate(); err != nil {
		return p, nil, err
	}
	sources, err := t.addressesOf(ctx, p.From)
	return p, append(sources, p.FromAddress...), err
}

// addressesOf lists the addresses of containers. One without any address could
// not be told from others, which is an error and not a silent success.
func (t *Target) addressesOf(ctx context.Context, containers []string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, id := range containers {
		peer, err := t.Host.Node(ctx, id)
		if err != nil {
			return nil, err
		}
		addresses := peer.Addresses()
		if len(addresses) == 0 {
			return nil, fmt.Errorf("peer %s has no address", peer.name)
		}
		all = append(all, addresses...)
	}
	return all, nil
}

// match is the packet's own part of the condition.
func (p FilterParams) match() []expr.Any {
	var all []expr.Any
	if p.Proto != "" {
		number := map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP}[p.Proto]
		all = append(all,
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{number}})
	}
	if !p.local {
		all = append(all,
			&expr.Meta{Key: expr.MetaKeyIIFTYPE, Register: 1},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint16(unix.ARPHRD_LOOPBACK)})
	}
	port := func(number uint16, offset uint32) {
		if number != 0 {
			all = append(all,
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(number)})
		}
	}
	port(p.SourcePort, 0)
	port(p.Port, 2)
	const fin, syn, rst, ack = 0x01, 0x02, 0x04, 0x10
	flags := func(mask byte, op expr.CmpOp, value byte) {
		all = append(all,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{mask}, Xor: []byte{0}},
			&expr.Cmp{Op: op, Register: 1, Data: []byte{value}})
	}
	switch p.Flags {
	case FlagsOpening:
		flags(syn|ack, expr.CmpOpEq, syn)
	case FlagsClosing:
		flags(fin|rst, expr.CmpOpNeq, 0)
	}
	if p.Chance > 0 && p.Chance < 1 {
		all = append(all,
			&expr.Numgen{Register: 1, Modulus: chanceScale, Type: unix.NFT_NG_RANDOM},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(p.Chance * chanceScale))})
	}
	return all
}

func (p FilterParams) verdict() []expr.Any {
	if p.Reset {
		return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}
	}
	return drop()
}

// verifyFilter reads the rules back, and has every peer that can send a packet
// which a rule must count. Rules that take only some packets, or only those
// that end a connection, cannot be tried without a connection: they are proven
// by the kernel's list.
func verifyFilter(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
	life, err := t.Node.Life()
	if err != nil {
		return Evidence{}, err
	}
	p, sources, err := filterSources(ctx, t)
	if err != nil {
		return Evidence{}, err
	}
	before, err := rulesByTag(life, t.ID)
	if err != nil {
		return Evidence{}, err
	}
	if want := max(1, len(sources)); len(before) != want {
		return Evidence{}, fmt.Errorf("the kernel lists %d rules of this fault, want %d", len(before), want)
	}
	if applied.Before == 0 {
		applied.Before, applied.After = monotonic(), monotonic()
	}
	expected := map[string]bool{}
	if p.Flags != FlagsClosing && (p.Chance == 0 || p.Chance == 1) && p.SourcePort == 0 {
		for _, peer := range filterProbers(t, p) {
			for _, tag := range p.probe(peer, t.Node) {
				if len(sources) == 0 {
					tag = "from anyone"
				}
				expected[tag] = true
			}
		}
	}
	applied.How, applied.Detail = "rule list", fmt.Sprintf("%d rules listed", len(before))
	if len(expected) == 0 {
		return applied, nil
	}
	if err := awaitCounted(life, t.ID, before, expected); err != nil {
		return Evidence{}, err
	}
	applied.How = "rule counter"
	applied.Detail += fmt.Sprintf(", %d of them counted a probe", len(expected))
	return applied, nil
}

// awaitCounted waits until every expected rule has counted a packet more.
func awaitCounted(life *Life, table string, before map[string]uint64, expected map[string]bool) error {
	counted, err := eventually(300*time.Millisecond, time.Millisecond, func() (bool, error) {
		now, err := rulesByTag(life, table)
		if err != nil {
			return false, err
		}
		for tag := range expected {
			if now[tag] <= before[tag] {
				return false, nil
			}
		}
		return true, nil
	})
	if err == nil && !counted {
		err = fmt.Errorf("packets sent by peers were not counted by the rules (%d expected): they took another way", len(expected))
	}
	return err
}

// filterProbers are the nodes that can try the rules: the named peers, else
// any one other node.
func filterProbers(t *Target, p FilterParams) []*Node {
	named := map[string]bool{}
	for _, id := range p.From {
		named[id] = true
	}
	var peers []*Node
	for _, n := range t.Host.known() {
		if n != t.Node && (named[n.id] || len(p.From)+len(p.FromAddress) == 0) {
			peers = append(peers, n)
		}
	}
	return peers
}

// probe sends from a peer what the filter takes: a connection attempt, or a
// datagram.
func (p FilterParams) probe(peer, node *Node) []string {
	if p.Proto != "tcp" {
		return sendProbes(peer, node, "udp", p.Port)
	}
	return sendProbes(peer, node, "tcp", p.Port)
}

// sendProbes sends one datagram of one byte, or one connection attempt, from a
// peer's namespace to each address of the node that it can reach directly, and
// returns the tags of the rules which must count them. A peer that cannot send
// (it is down, it has no common network) proves nothing and is left out.
func sendProbes(peer, node *Node, network string, port uint16) []string {
	if port == 0 {
		port = discardPort
	}
	life, err := peer.Life()
	if err != nil {
		return nil
	}
	var tags []string
	_ = life.InNetwork(func() error {
		for _, target := range node.Addresses() {
			source, ok := onLink(target)
			if !ok {
				continue
			}
			dialer := net.Dialer{Timeout: 10 * time.Millisecond}
			conn, err := dialer.Dial(network, netip.AddrPortFrom(target, port).String())
			if err != nil && network == "udp" {
				continue
			}
			if err == nil {
				_, _ = conn.Write([]byte{0})
				_ = conn.Close()
			}
			tags = append(tags, "from "+source.String())
		}
		return nil
	})
	return tags
}

// undoTable deletes a damage's rules.
func undoTable(_ context.Context, t *Target) (Evidence, error) {
	seen := Evidence{Before: monotonic(), How: "rule list"}
	life, err := t.Node.Life()
	if errors.Is(err, ErrNotRunning) {
		seen.After = monotonic()
		return seen, nil // gone with the namespace
	}
	if err == nil {
		err = life.DropTable(t.ID)
	}
	seen.After = monotonic()
	return seen, err
}

// tableGone asks the kernel whether a damage's rules are away.
func tableGone(_ context.Context, t *Target, undone Evidence) (Evidence, error) {
	life, err := t.Node.Life()
	if errors.Is(err, ErrNotRunning) {
		return undone, nil
	}
	if err != nil {
		return undone, err
	}
	rules, _, err := life.ListTable(t.ID)
	if err == nil && len(rules) > 0 {
		err = fmt.Errorf("table %s%s still has %d rules", TablePrefix, t.ID, len(rules))
	}
	undone.Detail = "the kernel lists no rule of this fault"
	return undone, err
}
