package harness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// bridge is one network of a run: the data network, or a client zone's.
//
// It is internal: the engine gives it no way out of the machine, so a packet
// for a node that is gone dies on the bridge.
type bridge struct {
	zone    string // "" for the data network
	name    string // the engine's name for it
	id      string
	device  string // the host's network interface
	prefix  netip.Prefix
	gateway netip.Addr // the host's own address on it
}

// deviceName derives an interface name from the run, at most 15 characters
// (IFNAMSIZ-1). It is never used twice by different runs, so a socket bound
// to the device of a run that ended can reach nobody.
func deviceName(run string, index int) string {
	sum := sha256.Sum256([]byte(run))
	return fmt.Sprintf("hd%x-%d", sum[:4], index)
}

// networkName is the engine's name for a run's network.
func networkName(run, zone string) string {
	if zone == "" {
		return "hadrill-" + run + "-data"
	}
	return "hadrill-" + run + "-client-" + zone
}

// makeBridge creates a network on the first free /24 of the pool. What is free
// is asked of the host and the engine first; the engine's own refusal decides,
// because another run may take a slice at the same moment.
func (e *Env) makeBridge(ctx context.Context, zone string, index int) (*bridge, error) {
	b := &bridge{zone: zone, name: networkName(e.options.Run, zone), device: deviceName(e.options.Run, index)}
	taken, err := e.takenPrefixes(ctx)
	if err != nil {
		return nil, err
	}
	for slice := range slices24(e.pool) {
		if overlapsAny(slice, taken) {
			continue
		}
		b.prefix, b.gateway = slice, hostAddr(slice, gatewayOffset)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("create network %s: %w", b.name, err)
		}
		creating, done := uncut(ctx)
		created, err := e.engine.Client().NetworkCreate(creating, b.name, client.NetworkCreateOptions{
			Driver:   "bridge",
			Internal: true,
			IPAM:     &network.IPAM{Config: []network.IPAMConfig{{Subnet: slice, Gateway: b.gateway}}},
			Options:  map[string]string{"com.docker.network.bridge.name": b.device},
			Labels:   e.labels("network", ""),
		})
		done()
		if err == nil {
			b.id = created.ID
			return b, nil
		}
		if !strings.Contains(strings.ToLower(err.Error()), "overlap") {
			return nil, fmt.Errorf("create network %s (%s): %w", b.name, slice, err)
		}
	}
	return nil, fmt.Errorf("create network %s: %w: no free /%d is left in %s; end other runs (`hadrill clean`), or set HADRILL_SUBNET to another private network", b.name, ErrSubnetsUsedUp, sliceBits, e.pool)
}

// ErrSubnetsUsedUp is returned when the pool has no free network left.
var ErrSubnetsUsedUp = errors.New("the subnet pool is used up")

// takenPrefixes lists what the host's interfaces and the engine's networks use.
func (e *Env) takenPrefixes(ctx context.Context) ([]netip.Prefix, error) {
	taken, err := hostPrefixes()
	if err != nil {
		return nil, err
	}
	networks, err := e.engine.Client().NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the engine's networks: %w", err)
	}
	for _, n := range networks.Items {
		for _, c := range n.IPAM.Config {
			if c.Subnet.IsValid() {
				taken = append(taken, c.Subnet)
			}
		}
	}
	return taken, nil
}
