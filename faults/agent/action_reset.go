package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ActionReset destroys a node's established TCP connections.
const ActionReset = "reset"

// ResetParams say which connections are destroyed. All given conditions must hold.
type ResetParams struct {
	Peers       []string     `json:"peers,omitempty"`        // containers at the other end
	PeerAddress []netip.Addr `json:"peer_address,omitempty"` // other addresses there; with no peer at all: any
	Port        uint16       `json:"port,omitempty"`         // of the node's end; 0: any
}

var _ = register(Action{
	Name: ActionReset,
	Doc:  "established connections of the node are destroyed: both ends get an error",
	Use:  []string{"socket-destroy"},
	Lost: ByRestart, Idle: true,
	Apply: func(ctx context.Context, t *Target) (Evidence, error) {
		matching, err := resetMatcher(ctx, t)
		if err != nil {
			return Evidence{}, err
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		seen := Evidence{Before: monotonic(), How: "socket list"}
		var destroyed []connection
		err = life.InNetwork(func() (err error) {
			destroyed, err = destroyMatching(matching)
			return err
		})
		seen.After = monotonic()
		t.State = destroyed
		return seen, err
	},
	// A connection that the kernel still lists as established was not destroyed.
	Verify: func(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
		destroyed, _ := t.State.([]connection)
		if len(destroyed) == 0 {
			return Evidence{}, errors.New("there was no such connection to destroy")
		}
		if applied.Before == 0 {
			return Evidence{How: "socket list", Before: monotonic(), After: monotonic(), Detail: "done once"}, nil
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		err = life.InNetwork(func() error {
			now, err := established()
			for _, d := range destroyed {
				if now[d] && err == nil {
					err = fmt.Errorf("connection %s is still established", d)
				}
			}
			return err
		})
		applied.Detail = fmt.Sprintf("%d connections destroyed", len(destroyed))
		return applied, err
	},
	Undo: func(context.Context, *Target) (Evidence, error) { // done once: nothing lasts
		return Evidence{Before: monotonic(), After: monotonic(), How: "nothing to undo"}, nil
	},
})

// connection is an established TCP connection: the node's end, the other end,
// and the kernel's cookie, which tells it from a later one between the same ends.
type connection struct {
	local, remote netip.AddrPort
	cookie        [2]uint32
}

func (c connection) String() string { return c.local.String() + " to " + c.remote.String() }

// resetMatcher makes the condition of the parameters.
func resetMatcher(ctx context.Context, t *Target) (func(connection) bool, error) {
	var p ResetParams
	if err := t.Decode(&p); err != nil {
		return nil, err
	}
	addresses, err := t.addressesOf(ctx, p.Peers)
	if err != nil {
		return nil, err
	}
	peers := map[netip.Addr]bool{}
	for _, a := range append(addresses, p.PeerAddress...) {
		peers[a] = true
	}
	return func(c connection) bool {
		return (len(peers) == 0 || peers[c.remote.Addr()]) && (p.Port == 0 || p.Port == c.local.Port()) && !c.remote.Addr().IsLoopback()
	}, nil
}

// destroyMatching destroys connections in the thread's network namespace. One
// that has ended by itself meanwhile is no error and is not counted.
func destroyMatching(matching func(connection) bool) ([]connection, error) {
	all, err := established()
	if err != nil {
		return nil, err
	}
	var destroyed []connection
	for c := range all {
		if !matching(c) {
			continue
		}
		err := netlink.SocketDestroy(net.TCPAddrFromAddrPort(c.local), net.TCPAddrFromAddrPort(c.remote))
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return destroyed, fmt.Errorf("destroy connection %s: %w", c, err)
		}
		destroyed = append(destroyed, c)
	}
	return destroyed, nil
}

// established lists the established IPv4 connections of the thread's network
// namespace, those of dual-stack sockets included (sock_diag(7)).
func established() (map[connection]bool, error) {
	const tcpEstablished = 1
	found := map[connection]bool{}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return nil, fmt.Errorf("list connections: %w", err)
		}
		for _, s := range sockets {
			local, ok1 := netip.AddrFromSlice(s.ID.Source)
			remote, ok2 := netip.AddrFromSlice(s.ID.Destination)
			if s.State != tcpEstablished || !ok1 || !ok2 || !local.Unmap().Is4() {
				continue
			}
			found[connection{netip.AddrPortFrom(local.Unmap(), s.ID.SourcePort), netip.AddrPortFrom(remote.Unmap(), s.ID.DestinationPort), s.ID.Cookie}] = true
		}
	}
	return found, nil
}
