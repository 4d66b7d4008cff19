package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

var _ harness.JobRunner = (*Running)(nil)

// OpenJobs implements harness.JobRunner: a job is a POST through nginx, its
// effect a line that a backend writes before it answers. POST is not
// idempotent (RFC 9110, 9.2.2): whoever sends it twice may have it done twice.
func (r *Running) OpenJobs(_ context.Context, from harness.Vantage) (harness.JobClient, error) {
	c := &jobClient{url: r.URL() + "/effect?id=", data: r.env.Data()}
	for _, n := range r.nodes[1:] {
		c.backends = append(c.backends, netip.AddrPortFrom(n.Addr(), components.DefaultPort))
	}
	c.transport = &http.Transport{Proxy: nil, DialContext: from.DialContext, MaxConnsPerHost: 1}
	return c, nil
}

// jobClient is one user with one connection to nginx. The library never
// repeats a POST whose first byte has left (net/http, Transport).
type jobClient struct {
	url       string
	data      harness.Vantage
	backends  []netip.AddrPort
	transport *http.Transport
}

// Submit implements harness.JobClient. An answer of the server's own failure,
// such as nginx' 502, leaves open whether a backend has done the job.
func (c *jobClient) Submit(ctx context.Context, job uint64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+strconv.FormatUint(job, 10), nil)
	if err != nil {
		return harness.Definite(err)
	}
	answer, err := c.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("submit job %d: %w", job, err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10))
	err = errors.Join(err, answer.Body.Close())
	switch {
	case answer.StatusCode >= 500:
		return fmt.Errorf("submit job %d: http %d", job, answer.StatusCode)
	case answer.StatusCode != http.StatusOK:
		return harness.Definite(fmt.Errorf("submit job %d: http %d", job, answer.StatusCode))
	case err != nil:
		return fmt.Errorf("submit job %d: %w", job, err)
	}
	return nil
}

// Pending implements harness.JobClient: a job is done before it is answered.
func (c *jobClient) Pending(context.Context) (int, error) { return 0, nil }

// Effects implements harness.JobClient: what each backend has written, one
// backend after the other. They keep it over their death.
func (c *jobClient) Effects(ctx context.Context) ([]harness.JobEffect, error) {
	var all []harness.JobEffect
	for _, b := range c.backends {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		answer, err := probe.Once(ctx, c.data, b, "/effects")
		cancel()
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("http %d: %s", answer.Status, answer.Body)
		}
		if err != nil {
			return nil, fmt.Errorf("effects at %s: %w", b, err)
		}
		for line := range strings.Lines(answer.Body) {
			job, err := readEffect(line)
			if err != nil {
				return nil, fmt.Errorf("effects at %s: %w", b, err)
			}
			all = append(all, harness.JobEffect{Job: job})
		}
	}
	return all, nil
}

// readEffect reads one line of a backend's effects: the job's number, quoted.
func readEffect(line string) (uint64, error) {
	id, err := strconv.Unquote(strings.TrimSpace(line))
	if err != nil {
		return 0, fmt.Errorf("line %q: %w", line, err)
	}
	return strconv.ParseUint(id, 10, 64)
}

// Close implements harness.JobClient.
func (c *jobClient) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}
