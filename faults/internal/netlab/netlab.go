// Package netlab makes two network namespaces joined by a veth pair, for tests
// of network faults.
//
//	left 10.203.0.1 ── veth ── veth ── 10.203.0.2 right
//
// Nothing leaves them: there is no route but the link.
package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Side is one of the two namespaces.
type Side struct {
	Path   string // opens the namespace, within this process
	Addr   netip.Addr
	Device string
	file   *os.File
}

// Pair is a link under test.
type Pair struct{ Left, Right *Side }

// New makes a pair that lives as long as the test. It needs root; without it
// the test fails with what is missing, and is skipped under -short only.
func New(t testing.TB) *Pair {
	t.Helper()
	if testing.Short() {
		t.Skip("makes network namespaces")
	}
	p := &Pair{
		Left:  newSide(t, "10.203.0.1"),
		Right: newSide(t, "10.203.0.2"),
	}
	require.NoError(t, p.Left.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "eth0"
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(p.Right.file.Fd())),
		})
	}), "veth pair (needs NET_ADMIN)")
	for _, s := range []*Side{p.Left, p.Right} {
		require.NoError(t, s.Do(s.up))
	}
	return p
}

func newSide(t testing.TB, addr string) *Side {
	s := &Side{Addr: netip.MustParseAddr(addr), Device: "eth0"}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread dies with its namespace's first reference
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("make a network namespace (needs SYS_ADMIN): %w", err)
			return
		}
		var err error
		s.file, err = os.Open("/proc/thread-self/ns/net")
		done <- err
	}()
	require.NoError(t, <-done)
	s.Path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.file.Fd())
	t.Cleanup(func() { _ = s.file.Close() })
	return s
}

func (s *Side) up() error {
	for _, name := range []string{"lo", s.Device} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find device %s: %w", name, err)
		}
		if name != "lo" {
			addr := &netlink.Addr{IPNet: &net.IPNet{IP: s.Addr.AsSlice(), Mask: net.CIDRMask(24, 32)}}
			if err := netlink.AddrAdd(l, addr); err != nil {
				return fmt.Errorf("address device %s: %w", name, err)
			}
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("set device %s up: %w", name, err)
		}
	}
	return nil
}

// Do runs f on a thread inside the namespace; sockets that f opens stay there.
func (s *Side) Do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// ListenUDP opens a socket on the side's own address.
func (s *Side) ListenUDP(t testing.TB, port uint16) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	require.NoError(t, s.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.Addr, port)))
		return err
	}))
	_ = c.SetReadBuffer(16 << 20)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// DialUDP opens a socket towards a port of the other side.
func (s *Side) DialUDP(t testing.TB, to *Side, port uint16) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	require.NoError(t, s.Do(func() (err error) {
		c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr, port)))
		return err
	}))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ListenTCP listens on the side's own address.
func (s *Side) ListenTCP(t testing.TB, port uint16) *net.TCPListener {
	t.Helper()
	var l *net.TCPListener
	require.NoError(t, s.Do(func() (err error) {
		l, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.Addr, port)))
		return err
	}))
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// DialTCP connects to a port of the other side.
func (s *Side) DialTCP(t testing.TB, to *Side, port uint16) *net.TCPConn {
	t.Helper()
	var c *net.TCPConn
	require.NoError(t, s.Do(func() (err error) {
		c, err = net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(to.Addr, port)))
		return err
	}))
	t.Cleanup(func() { _ = c.Close() })
	return c
}
