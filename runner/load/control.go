package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Control probes an untouched echo server beside every load. What the control
// lane suffers, the machine and the generator did: it is the noise floor
// below which no claim is made.
type Control struct {
	URL     string        // of the echo server, with an IP literal
	Rate    float64       // requests a second; default 1000
	Clients int           // kept connections; default 4
	Timeout time.Duration // default 1 s
	Zone    string        // client zone; "" is the data network
}

var _ Load = Control{}

func (c Control) work() work {
	if c.Rate <= 0 {
		c.Rate = 1000
	}
	if c.Clients <= 0 {
		c.Clients = 4
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Second
	}
	return work{
		name: "control", protocol: "http",
		streams: []stream{{control: true, plan: func(_ slot, _ uint64, op *record.Op) { op.Function = record.Request }}},
		connect: func(harness.Running) (dial, error) {
			address, request, err := getRequest(c.URL)
			if err != nil {
				return nil, err
			}
			return func(_ context.Context, from harness.Vantage) (Client, error) {
				return &prober{from: from, address: address, request: request}, nil
			}, nil
		},
	}.common(c.Rate, nil, c.Clients, c.Timeout, c.Zone, nil)
}

// Describe implements Load.
func (c Control) Describe() string { return c.work().Describe() }

// Lanes implements Load.
func (c Control) Lanes() []record.Lane { return c.work().Lanes() }

// Open implements Load.
func (c Control) Open(ctx context.Context, t Target) (Session, error) { return c.work().Open(ctx, t) }

// getRequest returns the address of a plain HTTP URL and the bytes that ask
// for it.
func getRequest(raw string) (address string, request []byte, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", nil, fmt.Errorf("control lane: %w", err)
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil || u.Scheme != "http" {
		return "", nil, fmt.Errorf("control lane: %q is not an http URL with an IP literal", raw)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(ip.String(), port),
		fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", u.RequestURI(), u.Host), nil
}

// prober asks over one kept HTTP/1.1 connection with as little work as can
// be: the control lane must see noise, not make it. It understands answers
// with a Content-Length, which is what the echo server gives.
type prober struct {
	from    harness.Vantage
	address string
	request []byte
	conn    net.Conn
	answer  *bufio.Reader
}

func (p *prober) Invoke(ctx context.Context, _ *record.Op) error {
	if p.conn == nil {
		conn, err := p.from.DialContext(ctx, "tcp", p.address)
		if err != nil {
			return err
		}
		p.conn = conn
		if p.answer == nil {
			p.answer = bufio.NewReaderSize(nil, 4<<10)
		}
		p.answer.Reset(conn)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := p.conn.SetDeadline(deadline); err != nil {
			return p.drop(err)
		}
	}
	if _, err := p.conn.Write(p.request); err != nil {
		return p.drop(err)
	}
	status, keep, err := readAnswer(p.answer)
	if err != nil || !keep {
		_ = p.drop(nil)
	}
	if err == nil && status != 200 {
		err = classed("http " + strconv.Itoa(status))
	}
	return err
}

// drop closes the connection and returns err.
func (p *prober) drop(err error) error {
	_ = p.conn.Close()
	p.conn = nil
	return err
}

func (p *prober) Close() error {
	if p.conn != nil {
		_ = p.drop(nil)
	}
	return nil
}

var errAnswer = errors.New("malformed HTTP answer")

// readAnswer reads one HTTP/1.1 answer and discards its body.
func readAnswer(r *bufio.Reader) (status int, keep bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, false, errAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, errAnswer
	}
	length := -1
	for keep = true; ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, errAnswer
			}
		case bytes.EqualFold(name, []byte("Connection")):
			keep = !bytes.EqualFold(value, []byte("close"))
		}
	}
	if length < 0 {
		return 0, false, errAnswer
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return status, keep, err
}
