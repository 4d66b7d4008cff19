package memcached

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
)

func address(n *harness.Node) string { return netip.AddrPortFrom(n.Addr(), port).String() }

// asker asks one server for its version over one kept connection, in
// Memcached's text protocol (doc/protocol.txt). An answer that does not come in
// time costs the connection. Safe for concurrent use; questions queue.
type asker struct {
	from harness.Vantage
	addr string

	mu     sync.Mutex
	conn   net.Conn
	reader *bufio.Reader
}

// version returns nil when the server answers.
func (a *asker) version(ctx context.Context) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() {
		if err != nil {
			a.drop()
			err = fmt.Errorf("ask %s for its version: %w", a.addr, err)
		}
	}()
	if a.conn == nil {
		conn, err := a.from.DialContext(ctx, "tcp", a.addr)
		if err != nil {
			return err
		}
		a.conn, a.reader = conn, bufio.NewReader(conn)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Second)
	}
	if err := a.conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := a.conn.Write([]byte("version\r\n")); err != nil {
		return err
	}
	line, err := a.reader.ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "VERSION ") {
		err = fmt.Errorf("unexpected answer %q", line)
	}
	return err
}

func (a *asker) drop() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn, a.reader = nil, nil
	}
}

func (a *asker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop()
}
