// Package probe asks nodes short questions over connections that are kept:
// what the harness itself needs to know, cheaply and within a bound.
package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const maxBody = 8 << 20

// HTTP asks one address over one kept connection. It is safe for concurrent
// use; questions queue. A connection whose answer did not come in time is
// dropped, so that a late answer is never taken for the next one's.
type HTTP struct {
	from harness.Vantage
	addr netip.AddrPort

	mu     sync.Mutex
	conn   net.Conn
	reader *bufio.Reader
}

// NewHTTP returns a probe that has not connected yet.
func NewHTTP(from harness.Vantage, addr netip.AddrPort) *HTTP {
	return &HTTP{from: from, addr: addr}
}

// Answer is what a node said.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Get asks for a path. A kept connection that the server has closed meanwhile
// is made anew, once: the question is a GET and safe to repeat.
func (p *HTTP) Get(ctx context.Context, path string) (Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.conn != nil
	answer, err := p.ask(ctx, path)
	if err != nil && kept && ctx.Err() == nil && !isTimeout(err) {
		answer, err = p.ask(ctx, path)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("get http://%s%s: %w", p.addr, path, err)
	}
	return answer, nil
}

func (p *HTTP) ask(ctx context.Context, path string) (answer Answer, err error) {
	if p.conn == nil {
		conn, err := p.from.DialContext(ctx, "tcp", p.addr.String())
		if err != nil {
			return Answer{}, err
		}
		p.conn, p.reader = conn, bufio.NewReader(conn)
	}
	defer func() {
		if err != nil {
			p.drop()
		}
	}()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Second)
	}
	if err := p.conn.SetDeadline(deadline); err != nil {
		return Answer{}, err
	}
	if _, err := fmt.Fprintf(p.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hadrill\r\n\r\n", path, p.addr); err != nil {
		return Answer{}, err
	}
	response, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return Answer{}, err
	}
	_ = response.Body.Close()
	if response.Close {
		p.drop()
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: strings.TrimSpace(string(body))}, nil
}

func (p *HTTP) drop() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn, p.reader = nil, nil
	}
}

// Close drops the connection.
func (p *HTTP) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

// Once asks for a path over a connection of its own.
func Once(ctx context.Context, from harness.Vantage, addr netip.AddrPort, path string) (Answer, error) {
	p := NewHTTP(from, addr)
	defer p.Close()
	return p.Get(ctx, path)
}
