package impair

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// copies delivers duplicates: a second packet with the same bytes, sent
// through raw sockets inside the receiver's namespace. It arrives by loopback,
// which the rules exempt, so that a copy is never impaired again.
type copies struct {
	v4, v6 int // descriptors; v6 is -1 on a kernel without IPv6
}

// openCopies must be called inside the namespace.
func openCopies() (*copies, error) {
	v4, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw socket for duplicates (needs NET_RAW): %w", err)
	}
	v6, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		v6 = -1
	}
	return &copies{v4: v4, v6: v6}, nil
}

// deliver sends an IP packet to where its header says. A copy that the kernel
// refuses is one duplicate fewer.
func (c *copies) deliver(p []byte) bool {
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		return unix.Sendto(c.v4, p, unix.MSG_DONTWAIT, &unix.SockaddrInet4{Addr: [4]byte(p[16:20])}) == nil
	case len(p) >= 40 && p[0]>>4 == 6 && c.v6 >= 0:
		return unix.Sendto(c.v6, p, unix.MSG_DONTWAIT, &unix.SockaddrInet6{Addr: [16]byte(p[24:40])}) == nil
	}
	return false
}

func (c *copies) close() {
	_ = unix.Close(c.v4)
	if c.v6 >= 0 {
		_ = unix.Close(c.v6)
	}
}

// flip inverts one bit of a packet behind its IP header: a bit in the address
// could send the packet elsewhere. It returns false where there is nothing
// behind the header.
func flip(p []byte, draw func(n int) int) bool {
	header := 40
	if len(p) > 0 && p[0]>>4 == 4 {
		header = 4 * int(p[0]&15)
	}
	if len(p) <= header {
		return false
	}
	p[header+draw(len(p)-header)] ^= 1 << draw(8)
	return true
}
