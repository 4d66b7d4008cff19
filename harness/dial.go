package harness

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// vantage dials from the host's end of one of the run's bridges.
//
//	client ── socket bound to the bridge ──▶ bridge ──▶ node
//	                  │
//	                  └─ bridge gone: ENODEV at once, never the default route
//
// The socket is bound to the bridge's device (SO_BINDTODEVICE, socket(7);
// allowed to any user since Linux 5.7). The kernel then routes its packets
// through that device or not at all: when the network is removed under a
// lingering socket, its interface index never comes back and retransmissions
// die in the host, so none can reach whoever answers at that address
// elsewhere.
type vantage struct {
	from *bridge
	data netip.Prefix
}

// Name implements Vantage.
func (v *vantage) Name() string { return v.from.zone }

// DialContext implements Vantage. address is "IP:port" on the run's data
// network, or on the vantage's own; anything else is refused before a packet
// is sent.
func (v *vantage) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	target, err := v.target(address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var bindErr error
		err := raw.Control(func(fd uintptr) {
			bindErr = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, v.from.device)
		})
		if err != nil {
			return err
		}
		if bindErr != nil {
			return fmt.Errorf("bind to %s: %w", v.from.device, bindErr)
		}
		return nil
	}}
	return dialer.DialContext(ctx, network, target.String())
}

// target checks an address and translates it into the vantage's network.
func (v *vantage) target(address string) (netip.AddrPort, error) {
	asked, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("dial %q: not an IP literal with a port; names would be looked up outside the run: %w", address, err)
	}
	addr := asked.Addr().Unmap()
	switch {
	case v.from.prefix.Contains(addr):
	case v.data.Contains(addr):
		addr = translate(addr, v.from.prefix)
	default:
		return netip.AddrPort{}, fmt.Errorf("dial %s: outside this run's networks (%s, %s)", address, v.data, v.from.prefix)
	}
	if addr == v.from.gateway || addr == v.from.prefix.Addr() {
		return netip.AddrPort{}, fmt.Errorf("dial %s: the host's own address on the run's network, no node", address)
	}
	return netip.AddrPortFrom(addr, asked.Port()), nil
}
