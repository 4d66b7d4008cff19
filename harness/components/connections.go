package components

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// keptConnections are used in turn: what destroys them all at once is seen
	// as many times, which no chance does.
	keptConnections = 50
	// hangUp is how long the peer may take to hear that a connection ended.
	hangUp = 300 * time.Millisecond
)

// connections is the side of a witness that looks at TCP itself, which a web
// client hides: how connections begin, last and end. The peer echoes what it
// is sent on its own port + 1, and hangs up when the other side has.
type connections struct {
	to       string
	listener net.Listener
	wait     sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{} // served, closed with the listener

	turn atomic.Uint64
	kept [keptConnections]keptConnection
}

type keptConnection struct {
	mu   sync.Mutex
	conn net.Conn // nil: to be made
}

func listenConnections(port uint16, peer netip.Addr) (*connections, error) {
	listener, err := net.Listen("tcp4", fmt.Sprintf(":%d", port+1))
	if err != nil {
		return nil, fmt.Errorf("listen for connections: %w", err)
	}
	c := &connections{to: netip.AddrPortFrom(peer, port+1).String(), listener: listener, open: map[net.Conn]struct{}{}}
	c.wait.Go(c.accept)
	return c, nil
}

func (c *connections) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // closed
		}
		c.mu.Lock()
		c.open[conn] = struct{}{}
		c.mu.Unlock()
		c.wait.Go(func() {
			_, _ = io.Copy(conn, conn) // until the peer hangs up
			_ = conn.Close()
			c.mu.Lock()
			delete(c.open, conn)
			c.mu.Unlock()
		})
	}
}

func (c *connections) close() {
	_ = c.listener.Close()
	c.mu.Lock()
	for conn := range c.open {
		_ = conn.Close()
	}
	c.mu.Unlock()
	for i := range c.kept {
		c.kept[i].mu.Lock()
		if c.kept[i].conn != nil {
			_ = c.kept[i].conn.Close()
		}
		c.kept[i].mu.Unlock()
	}
	c.wait.Wait()
}

func (c *connections) dial(ctx context.Context) (*net.TCPConn, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp4", c.to)
	if err != nil {
		return nil, fmt.Errorf("connect to the peer: %w", err)
	}
	return conn.(*net.TCPConn), nil
}

// begin makes a new connection.
func (c *connections) begin(ctx context.Context) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// end makes a connection, hangs up, and waits until the peer has.
func (c *connections) end(ctx context.Context) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := errors.Join(conn.CloseWrite(), conn.SetReadDeadline(time.Now().Add(hangUp))); err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the peer has not hung up: %w", err)
	}
	return nil
}

// last uses one of the kept connections, and makes those that are lost anew
// only the next time, so that every loss is told once.
func (c *connections) last(ctx context.Context) error {
	k := &c.kept[c.turn.Add(1)%keptConnections]
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn == nil {
		conn, err := c.dial(ctx)
		if err != nil {
			return err
		}
		k.conn = conn
	}
	err := k.conn.SetDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = k.conn.Write([]byte{1})
	}
	if err == nil {
		_, err = io.ReadFull(k.conn, make([]byte, 1))
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("a kept connection is lost: %w", err), k.conn.Close())
		k.conn = nil
	}
	return err
}
