package harness

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestThePoolIsTakenFromOptionThenEnvironmentThenDefault(t *testing.T) {
	t.Setenv("HADRILL_SUBNET", "")
	pool, err := subnetPool("")
	require.NoError(t, err)
	require.Equal(t, DefaultSubnet, pool.String())
	t.Setenv("HADRILL_SUBNET", "172.20.0.0/16")
	pool, err = subnetPool("")
	require.NoError(t, err)
	require.Equal(t, "172.20.0.0/16", pool.String())
	pool, err = subnetPool("192.168.7.9/20")
	require.NoError(t, err)
	require.Equal(t, "192.168.0.0/20", pool.String())
}

func TestAPoolThatCannotBeUsedIsRefusedByName(t *testing.T) {
	for _, text := range []string{"10.0.0.0", "10.0.0.0/25", "fd00::/64", "8.8.0.0/16", "nonsense"} {
		_, err := subnetPool(text)
		require.ErrorContains(t, err, "HADRILL_SUBNET", text)
	}
}

func TestSlicesCoverThePoolOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(14, 24).Draw(t, "bits")
		pool := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, rapid.Byte().Draw(t, "b"), rapid.Byte().Draw(t, "c"), 0}), bits).Masked()
		all := slices.Collect(slices24(pool))
		if len(all) != 1<<(24-bits) {
			t.Fatalf("%d slices of a /%d", len(all), bits)
		}
		for i, s := range all {
			if s.Bits() != 24 || !pool.Contains(s.Addr()) || i > 0 && !all[i-1].Addr().Less(s.Addr()) {
				t.Fatalf("slice %d of %s is %s", i, pool, s)
			}
		}
	})
}

func TestEveryNodeHasAnAddressOfItsOwnAtTheSamePlaceInEachNetwork(t *testing.T) {
	data, east := netip.MustParsePrefix("10.213.0.0/24"), netip.MustParsePrefix("10.213.9.0/24")
	seen := map[netip.Addr]bool{hostAddr(data, gatewayOffset): true}
	for i := range lastNode - firstNode + 1 {
		a := nodeAddr(data, i)
		require.True(t, a.IsValid() && data.Contains(a) && !seen[a], "node %d at %s", i, a)
		seen[a] = true
		require.Equal(t, nodeAddr(east, i), translate(a, east))
	}
	require.False(t, nodeAddr(data, lastNode-firstNode+1).IsValid(), "a full network gives no address")
	require.False(t, nodeAddr(data, -1).IsValid())
}

func TestDeviceNamesFitTheKernelAndDifferByRun(t *testing.T) {
	require.LessOrEqual(t, len(deviceName("a-run-with-a-rather-long-name", 99)), 15)
	require.NotEqual(t, deviceName("a", 0), deviceName("b", 0))
	require.NotEqual(t, deviceName("a", 0), deviceName("a", 1))
}

func TestAVantageDialsTheRunOrNothing(t *testing.T) {
	data := netip.MustParsePrefix("10.213.0.0/24")
	east := &bridge{zone: "east", prefix: netip.MustParsePrefix("10.213.1.0/24"), gateway: netip.MustParseAddr("10.213.1.1")}
	v := &vantage{from: east, data: data}
	for address, want := range map[string]string{
		"10.213.0.11:80":          "10.213.1.11:80",
		"10.213.1.11:80":          "10.213.1.11:80",
		"[::ffff:10.213.0.12]:80": "10.213.1.12:80",
		"10.213.0.1:80":           "", // the host
		"10.213.1.1:80":           "",
		"10.213.0.0:80":           "",
		"10.213.2.11:80":          "", // another run's, perhaps
		"8.8.8.8:53":              "",
		"redis-1:6379":            "",
		"10.213.0.11":             "",
	} {
		target, err := v.target(address)
		if want == "" {
			require.Error(t, err, address)
			continue
		}
		require.NoError(t, err, address)
		require.Equal(t, want, target.String())
	}
}
