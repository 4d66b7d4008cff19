package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/vishvananda/netlink"
)

// queueTarget is the NFQUEUE target (revision 3) with the bypass flag: packets
// pass when nobody listens. It is what iptables uses, and is there on kernels
// without the nftables queue expression.
func queueTarget(number uint16) expr.Any {
	info := xt.Unknown(binary.NativeEndian.AppendUint16(nil, number))
	info = binary.NativeEndian.AppendUint16(info, 1) // queues in all
	info = binary.NativeEndian.AppendUint16(info, 1) // NFQ_FLAG_BYPASS
	info = append(info, 0, 0)                        // padding
	return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info}
}

// destroyOwnSocket opens a connection to itself in the thread's namespace and
// has the kernel destroy it (SOCK_DESTROY of sock_diag(7)).
func destroyOwnSocket() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := netlink.SocketDestroy(conn.LocalAddr(), conn.RemoteAddr()); err != nil {
		return "", fmt.Errorf("destroy a connection: %w", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
		return "", errors.New("a destroyed connection lives on")
	}
	return "a connection can be destroyed", nil
}
