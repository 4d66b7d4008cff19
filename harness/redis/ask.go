package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// asker puts questions to one node over one kept connection, in Redis' own
// protocol (RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/).
// It is not a client of the system: it never follows a failover and asks each
// node for its own belief. An answer that does not come in time costs the
// connection, so that a late one is never taken for the next. Safe for
// concurrent use; questions queue.
type asker struct {
	from harness.Vantage
	addr netip.AddrPort

	mu     sync.Mutex
	conn   net.Conn
	reader *bufio.Reader
}

func newAsker(from harness.Vantage, addr netip.Addr, port uint16) *asker {
	return &asker{from: from, addr: netip.AddrPortFrom(addr, port)}
}

// reply is an error that the server itself answered.
type reply string

func (r reply) Error() string { return string(r) }

// ask sends the commands in one go and returns an answer each: a string, an
// int64, nil or a []any of these. An error reply to any is returned as error.
func (a *asker) ask(ctx context.Context, commands ...[]string) (answers []any, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() {
		var said reply
		if err != nil && !errors.As(err, &said) {
			a.drop()
		}
	}()
	if a.conn == nil {
		conn, err := a.from.DialContext(ctx, "tcp", a.addr.String())
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", a.addr, err)
		}
		a.conn, a.reader = conn, bufio.NewReader(conn)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Second)
	}
	if err := a.conn.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("ask %s: %w", a.addr, err)
	}
	if _, err := a.conn.Write(encode(commands)); err != nil {
		return nil, fmt.Errorf("ask %s: %w", a.addr, err)
	}
	var said error
	for _, c := range commands {
		answer, err := read(a.reader)
		var refused reply
		switch {
		case errors.As(err, &refused):
			said = fmt.Errorf("ask %s %s: %w", a.addr, strings.Join(c, " "), err)
		case err != nil:
			return nil, fmt.Errorf("ask %s %s: %w", a.addr, strings.Join(c, " "), err)
		}
		answers = append(answers, answer)
	}
	return answers, said
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

func encode(commands [][]string) []byte {
	var b []byte
	for _, c := range commands {
		b = fmt.Appendf(b, "*%d\r\n", len(c))
		for _, word := range c {
			b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(word), word)
		}
	}
	return b
}

const maxAnswer = 1 << 20

// read parses one RESP2 value.
func read(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return nil, errors.New("malformed answer: empty line")
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+':
		return text, nil
	case '-':
		return nil, reply(text)
	case ':':
		return strconv.ParseInt(text, 10, 64)
	case '$', '*':
		n, err := strconv.Atoi(text)
		if err != nil || n > maxAnswer {
			return nil, fmt.Errorf("malformed answer: length %q", text)
		}
		if n < 0 {
			return nil, nil
		}
		if kind == '$' {
			body := make([]byte, n+2)
			if _, err := io.ReadFull(r, body); err != nil {
				return nil, err
			}
			return string(body[:n]), nil
		}
		values := make([]any, 0, min(n, 1024))
		for range n {
			v, err := read(r)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		return values, nil
	}
	return nil, fmt.Errorf("malformed answer: %q", line)
}

// pairs reads a flat list of keys and values, as RESP2 gives a map.
func pairs(v any) map[string]string {
	list, _ := v.([]any)
	m := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		key, _ := list[i].(string)
		value, _ := list[i+1].(string)
		m[key] = value
	}
	return m
}

// info reads the "key:value" lines of INFO.
func info(v any) map[string]string {
	text, _ := v.(string)
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[key] = value
		}
	}
	return m
}
