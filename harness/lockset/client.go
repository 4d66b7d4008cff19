package lockset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const (
	maxAnswer  = 1 << 22
	lookAgain  = 20 * time.Millisecond  // after a round in which nobody held the lock
	holdsLimit = 100 * time.Millisecond // for a worker's word on the lock
)

// caller speaks HTTP to one worker over one kept connection. Go's transport
// repeats requests only where the connection turns out dead before a byte was
// answered and the request is idempotent; a POST it does not.
type caller struct {
	addr      string
	transport *http.Transport
}

func newCaller(from harness.Vantage, addr string) *caller {
	return &caller{addr: addr, transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return from.DialContext(ctx, network, address)
		},
		MaxIdleConns: 1, MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, DisableCompression: true,
	}}
}

func (c *caller) close() { c.transport.CloseIdleConnections() }

// call returns the body of an answer 200. An error is Definite when the worker
// refused (503) or was not reached.
func (c *caller) call(ctx context.Context, method, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+path, nil)
	if err != nil {
		return "", harness.Definite(fmt.Errorf("call %s: %w", c.addr, err))
	}
	answer, err := c.transport.RoundTrip(request)
	if err != nil {
		err = fmt.Errorf("call %s: %w", c.addr, err)
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return "", harness.Definite(err)
		}
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	text := strings.TrimSpace(string(body))
	switch {
	case answer.StatusCode == http.StatusServiceUnavailable:
		return "", harness.Definite(fmt.Errorf("worker refused: %s", text))
	case err != nil:
		return "", fmt.Errorf("call %s: %w", c.addr, err)
	case answer.StatusCode != http.StatusOK:
		return "", fmt.Errorf("worker answered %d: %s", answer.StatusCode, text)
	}
	return text, nil
}

// setClient is one virtual user. It stays with the worker that served it last.
// When that one refuses or fails, it asks one after the other who holds the
// lock: a question that may be given up and put to the next, as a change may not.
type setClient struct {
	workers []*caller
	at      int
	sure    bool // the worker at hand served the last request
}

// OpenSet implements harness.SetStore.
func (r *Running) OpenSet(ctx context.Context, from harness.Vantage) (harness.SetClient, error) {
	c := &setClient{at: rand.IntN(len(r.workers))}
	for _, n := range r.workers {
		c.workers = append(c.workers, newCaller(from, address(n)))
	}
	if _, err := c.workers[c.at].call(ctx, "GET", "/live"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// next goes on to the next worker.
func (c *setClient) next() { c.at, c.sure = (c.at+1)%len(c.workers), false }

// Add implements harness.SetClient: it looks for the holder of the lock until
// one takes the request or ctx ends.
func (c *setClient) Add(ctx context.Context, set uint64, element int64) error {
	query := url.Values{"set": {strconv.FormatUint(set, 10)}, "element": {strconv.FormatInt(element, 10)}}
	for tried := 1; ; tried++ {
		err := c.holds(ctx)
		if err == nil {
			if _, err = c.workers[c.at].call(ctx, "POST", "/add?"+query.Encode()); err == nil {
				c.sure = true
				return nil
			}
		}
		c.next()
		if !harness.IsDefinite(err) || ctx.Err() != nil {
			return err
		}
		if tried%len(c.workers) != 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lookAgain):
		}
	}
}

// holds returns nil when the worker at hand says that it holds the lock.
func (c *setClient) holds(ctx context.Context) error {
	if c.sure {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, holdsLimit)
	defer cancel()
	token, err := c.workers[c.at].call(ctx, "GET", "/lock")
	if err == nil && token == "0" {
		err = fmt.Errorf("%s does not hold the lock", c.workers[c.at].addr)
	}
	return harness.Definite(err)
}

// Elements implements harness.SetClient.
func (c *setClient) Elements(ctx context.Context, set uint64) ([]int64, error) {
	text, err := c.workers[c.at].call(ctx, "GET", "/set?set="+strconv.FormatUint(set, 10))
	if err != nil {
		c.next()
		return nil, err
	}
	var elements []int64
	for field := range strings.FieldsSeq(text) {
		element, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("element of set %d: %w", set, err)
		}
		elements = append(elements, element)
	}
	return elements, nil
}

// Close implements harness.SetClient.
func (c *setClient) Close() error {
	for _, w := range c.workers {
		w.close()
	}
	return nil
}
