package harness

import (
	"fmt"
	"net"
	"net/netip"
	"os"
)

// DefaultSubnet is the pool that runs take their networks from, a /24 each,
// where HADRILL_SUBNET does not name another.
const DefaultSubnet = "10.213.0.0/16"

// Addresses within a /24: .1 is the host's, nodes start at .11. The room below
// and above is for addresses that a system moves about itself (virtual IPs).
const (
	sliceBits     = 24
	gatewayOffset = 1
	firstNode     = 11
	lastNode      = 210
)

// subnetPool parses the pool that the options, the environment or the default name.
func subnetPool(option string) (netip.Prefix, error) {
	text := option
	if text == "" {
		text = os.Getenv("HADRILL_SUBNET")
	}
	if text == "" {
		text = DefaultSubnet
	}
	pool, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("read subnet pool %q (HADRILL_SUBNET): %w", text, err)
	}
	if !pool.Addr().Is4() || pool.Bits() > sliceBits {
		return netip.Prefix{}, fmt.Errorf("subnet pool %s (HADRILL_SUBNET): must be an IPv4 network of /%d or larger, such as %s", pool, sliceBits, DefaultSubnet)
	}
	if !pool.Addr().IsPrivate() {
		return netip.Prefix{}, fmt.Errorf("subnet pool %s (HADRILL_SUBNET): must be private (RFC 1918): drills never use addresses of others", pool)
	}
	return pool.Masked(), nil
}

// slices24 calls yield with each /24 of the pool, in order.
func slices24(pool netip.Prefix) func(yield func(netip.Prefix) bool) {
	return func(yield func(netip.Prefix) bool) {
		base := pool.Addr().As4()
		first := uint32(base[0])<<16 | uint32(base[1])<<8 | uint32(base[2])
		for i := range uint32(1) << (sliceBits - pool.Bits()) {
			n := first + i
			addr := netip.AddrFrom4([4]byte{byte(n >> 16), byte(n >> 8), byte(n), 0})
			if !yield(netip.PrefixFrom(addr, sliceBits)) {
				return
			}
		}
	}
}

// hostAddr returns the address at an offset within a /24.
func hostAddr(slice netip.Prefix, offset int) netip.Addr {
	b := slice.Addr().As4()
	b[3] = byte(offset)
	return netip.AddrFrom4(b)
}

// nodeAddr returns the address of the i-th node in a /24; invalid when the
// network is full.
func nodeAddr(slice netip.Prefix, i int) netip.Addr {
	if i < 0 || firstNode+i > lastNode {
		return netip.Addr{}
	}
	return hostAddr(slice, firstNode+i)
}

// translate moves an address to the same place in another /24.
func translate(addr netip.Addr, to netip.Prefix) netip.Addr {
	return hostAddr(to, int(addr.As4()[3]))
}

// overlapsAny tells whether slice shares an address with any of taken.
func overlapsAny(slice netip.Prefix, taken []netip.Prefix) bool {
	for _, t := range taken {
		if slice.Overlaps(t) {
			return true
		}
	}
	return false
}

// hostPrefixes lists the networks of this machine's own interfaces.
func hostPrefixes() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the host's interfaces: %w", err)
	}
	var taken []netip.Prefix
	for _, a := range addrs {
		ipnet, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ones, _ := ipnet.Mask.Size()
		if addr, ok := netip.AddrFromSlice(ipnet.IP); ok && addr.Unmap().Is4() {
			taken = append(taken, netip.PrefixFrom(addr.Unmap(), ones).Masked())
		}
	}
	return taken, nil
}
