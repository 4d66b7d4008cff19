package components

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	heartbeat = 10 * time.Millisecond
	silence   = 200 * time.Millisecond // as long without a heartbeat: not heard
	lost      = 150 * time.Millisecond // a datagram that is not back by then
	// straggler is how long a second copy of a datagram may come after the
	// first: copies are made at the receiver, one behind the other.
	straggler = 3 * time.Millisecond

	datagramSize = 64
)

// datagrams is the side of a witness that no retransmission hides anything
// from: every lost, doubled, overtaken or spoilt packet shows.
//
//	own port        echoes what comes
//	own port + 1    hears the peer's heartbeats, one every 10 ms
type datagrams struct {
	to      netip.AddrPort // the peer's echo
	echo    *net.UDPConn
	hearing *net.UDPConn
	beat    *net.UDPConn
	began   time.Time
	last    atomic.Int64 // when the last heartbeat was heard, since began
	stop    chan struct{}
	wait    sync.WaitGroup
}

func listenDatagrams(port uint16, peer netip.Addr) (_ *datagrams, err error) {
	d := &datagrams{to: netip.AddrPortFrom(peer, port), began: time.Now(), stop: make(chan struct{})}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.echo, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(port)}); err != nil {
		return nil, fmt.Errorf("listen for datagrams: %w", err)
	}
	if d.hearing, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(port) + 1}); err != nil {
		return nil, fmt.Errorf("listen for heartbeats: %w", err)
	}
	d.beat, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, port+1)))
	if err != nil {
		return nil, fmt.Errorf("open heartbeat socket: %w", err)
	}
	d.wait.Go(func() {
		each(d.echo, func(packet []byte, from netip.AddrPort) { _, _ = d.echo.WriteToUDPAddrPort(packet, from) })
	})
	d.wait.Go(func() {
		each(d.hearing, func(_ []byte, from netip.AddrPort) {
			if from.Addr().Unmap() == peer { // nobody else's word counts
				d.last.Store(int64(time.Since(d.began))) // monotonic: wall clocks are under test
			}
		})
	})
	d.wait.Go(d.beatUntilStopped)
	return d, nil
}

// each calls f for every datagram until the socket is closed.
func each(conn *net.UDPConn, f func(packet []byte, from netip.AddrPort)) {
	buffer := make([]byte, 2*datagramSize)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			f(buffer[:n], from)
		}
	}
}

// beatUntilStopped sends heartbeats; that the peer is not there to hear one is
// for the peer's end to say.
func (d *datagrams) beatUntilStopped() {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_, _ = d.beat.Write([]byte{0})
		case <-d.stop:
			return
		}
	}
}

func (d *datagrams) close() {
	close(d.stop)
	for _, conn := range []*net.UDPConn{d.echo, d.hearing, d.beat} {
		if conn != nil {
			_ = conn.Close()
		}
	}
	d.wait.Wait()
}

func (d *datagrams) heard(context.Context) error {
	last := d.last.Load()
	if last == 0 || time.Since(d.began)-time.Duration(last) > silence {
		return errors.New("nothing was heard from the peer")
	}
	return nil
}

// intact sends two datagrams to the peer's echo and looks at what comes back.
func (d *datagrams) intact(context.Context) error {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(d.to))
	if err != nil {
		return fmt.Errorf("open datagram socket: %w", err)
	}
	defer func() { _ = conn.Close() }()
	sent := [2][]byte{bytes.Repeat([]byte{1}, datagramSize), bytes.Repeat([]byte{2}, datagramSize)}
	deadline := time.Now().Add(lost)
	for _, packet := range sent {
		if _, err := conn.Write(packet); err != nil {
			return fmt.Errorf("send datagram: %w", err)
		}
	}
	var seen []byte // which datagram each answer was
	for {
		if err := conn.SetReadDeadline(deadline); err != nil {
			return fmt.Errorf("read datagrams: %w", err)
		}
		buffer := make([]byte, 2*datagramSize)
		n, err := conn.Read(buffer)
		if err != nil {
			break // time is up, or the peer's port is closed: seen says what is missing
		}
		which := buffer[0]
		if which != 1 && which != 2 || !bytes.Equal(buffer[:n], sent[which-1]) {
			return errors.New("a datagram came back spoilt")
		}
		if seen = append(seen, which); len(seen) == len(sent) {
			deadline = time.Now().Add(straggler)
		}
	}
	switch {
	case bytes.Equal(seen, []byte{1, 2}):
		return nil
	case bytes.Equal(seen, []byte{2, 1}):
		return errors.New("the second datagram overtook the first")
	case len(seen) > 2 || bytes.Equal(seen, []byte{1, 1}) || bytes.Equal(seen, []byte{2, 2}):
		return errors.New("a datagram came twice")
	}
	return errors.New("a datagram was lost")
}
