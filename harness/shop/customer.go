package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/orders"
)

const (
	attemptLimit = time.Second // of one attempt; the customer's patience is the operation's deadline
	firstPause   = 25 * time.Millisecond
	longestPause = 400 * time.Millisecond
	dialLimit    = 250 * time.Millisecond
	readLimit    = 5 * time.Second // of the definitive reads
	maxAnswer    = 1 << 22
)

// customer is one virtual user: it repeats an order until it has an answer.
type customer struct {
	shop      *Running
	doors     []netip.AddrPort
	at        int
	transport *http.Transport
}

// OpenJobs implements harness.JobRunner.
func (r *Running) OpenJobs(_ context.Context, from harness.Vantage) (harness.JobClient, error) {
	c := &customer{shop: r, doors: r.doors()}
	c.at = rand.IntN(len(c.doors))
	c.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialLimit)
			defer cancel()
			return from.DialContext(ctx, network, address)
		},
		MaxIdleConnsPerHost: 1, DisableCompression: true,
	}
	return c, nil
}

// Close implements harness.JobClient.
func (c *customer) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Submit implements harness.JobClient. The order counts as refused only if
// every attempt was.
func (c *customer) Submit(ctx context.Context, job uint64) error {
	header := http.Header{}
	if !c.shop.declared.NoIdempotencyKey {
		header.Set(orders.KeyHeader, "order-"+strconv.FormatUint(job, 10))
	}
	path := "/orders?job=" + strconv.FormatUint(job, 10)
	certain := true
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		attempt, cancel := context.WithTimeout(ctx, attemptLimit)
		_, err := c.call(attempt, http.MethodPost, c.doors[c.at], path, header)
		cancel()
		if err == nil {
			return nil
		}
		certain = certain && harness.IsDefinite(err)
		c.at = (c.at + 1) % len(c.doors)
		select {
		case <-ctx.Done():
			if certain {
				return harness.Definite(err)
			}
			return fmt.Errorf("job %d: %w", job, err)
		case <-time.After(pause/2 + rand.N(pause)): // jitter keeps those who failed together apart
		}
	}
}

// call returns the body of an answer 200. An error is Definite when nothing
// took effect: the door was not reached, or the answer was 503.
func (c *customer) call(ctx context.Context, method string, door netip.AddrPort, path string, header http.Header) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+door.String()+path, nil)
	if err != nil {
		return "", harness.Definite(err)
	}
	request.Header = header
	if deadline, ok := ctx.Deadline(); ok {
		header.Set(orders.DeadlineHeader, strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10))
	}
	answer, err := c.transport.RoundTrip(request)
	if err != nil {
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
	case answer.StatusCode == http.StatusServiceUnavailable && method == http.MethodPost && c.shop.declared.trusts(answer):
		return "", harness.Definite(fmt.Errorf("refused: %s", text))
	case err != nil:
		return "", err
	case answer.StatusCode != http.StatusOK:
		return "", fmt.Errorf("answered %d: %s", answer.StatusCode, text)
	}
	return text, nil
}

// trusts tells whether an answer is the order service's own: what a gateway
// makes of a request that it has sent on is no proof that nothing happened.
func (s Shop) trusts(answer *http.Response) bool {
	return strings.HasPrefix(answer.Header.Get("X-Hadrill-Node"), serviceName)
}

// ask asks the instances one after the other, past the gateway.
func (c *customer) ask(ctx context.Context, path string) (string, error) {
	var errs []error
	for _, n := range c.shop.instances() {
		limited, cancel := context.WithTimeout(ctx, readLimit)
		text, err := c.call(limited, http.MethodGet, address(n), path, http.Header{})
		cancel()
		if err == nil {
			return text, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", n.Name(), err))
	}
	return "", errors.Join(errs...)
}

// Pending implements harness.JobClient: over all instances, as one that keeps
// messages in memory knows only its own.
func (c *customer) Pending(ctx context.Context) (most int, err error) {
	for _, n := range c.shop.instances() {
		limited, cancel := context.WithTimeout(ctx, readLimit)
		text, err := c.call(limited, http.MethodGet, address(n), "/pending", http.Header{})
		cancel()
		if err != nil {
			return 0, fmt.Errorf("pending at %s: %w", n.Name(), err)
		}
		pending, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("pending at %s: %w", n.Name(), err)
		}
		most = max(most, pending)
	}
	return most, nil
}

// Effects implements harness.JobClient.
func (c *customer) Effects(ctx context.Context) ([]harness.JobEffect, error) {
	text, err := c.ask(ctx, "/effects")
	if err != nil {
		return nil, fmt.Errorf("effects: %w", err)
	}
	var jobs []uint64
	if err := json.Unmarshal([]byte(text), &jobs); err != nil {
		return nil, fmt.Errorf("effects: %w", err)
	}
	effects := make([]harness.JobEffect, len(jobs))
	for i, job := range jobs {
		effects[i].Job = job
	}
	return effects, nil
}
