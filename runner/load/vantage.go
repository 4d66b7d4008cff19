package load

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// loopback is the vantage of a load that has no run's networks: it dials the
// loopback interface and nothing else.
type loopback struct{}

func (loopback) Name() string { return "" }

func (loopback) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().IsLoopback() {
		return nil, fmt.Errorf("dial %s: without a run's networks only loopback addresses are dialled", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}
