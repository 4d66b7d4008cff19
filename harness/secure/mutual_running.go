package secure

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/authority"
	"github.com/hadrill/hadrill/harness/components"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

// RunningMutual is a started Mutual.
type RunningMutual struct {
	declared Mutual
	env      *harness.Env
	nodes    []*harness.Node // in the order of holders
	holders  []holder
	trusted  *authority.Authority
	shown    tls.Certificate // the harness's own
	askers   []*probe.HTTP   // of the backends

	mu      sync.Mutex
	stop    context.CancelFunc // of the renewer; nil until settled
	stopped chan struct{}
	failure error // of a renewal
}

var (
	_ harness.HTTPServer         = (*RunningMutual)(nil)
	_ harness.Doors              = (*RunningMutual)(nil)
	_ harness.RedundancyReporter = (*RunningMutual)(nil)
	_ harness.Settler            = (*RunningMutual)(nil)
	_ harness.Quiescer           = (*RunningMutual)(nil)
	_ harness.Milestones         = (*RunningMutual)(nil)
	_ harness.Stopper            = (*RunningMutual)(nil)
)

// Nodes implements harness.Running: the gateway, then the backends.
func (r *RunningMutual) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer: the gateway's.
func (r *RunningMutual) URL() string {
	return "http://" + netip.AddrPortFrom(r.nodes[0].Addr(), proxy.DefaultPort).String()
}

// Door implements harness.Doors. Intruders speak TLS 1.2, which is as good to
// the backends as 1.3 and in which the refusal ends the handshake: in 1.3 it
// follows the request, and may be lost with the connection.
func (r *RunningMutual) Door(name string) (string, *tls.Config, error) {
	config := &tls.Config{RootCAs: r.trusted.Pool(), MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	switch name {
	case Bare:
	case Stranger:
		other, err := authority.New("a stranger")
		if err != nil {
			return "", nil, err
		}
		shown, err := showing(other, Gateway)
		if err != nil {
			return "", nil, err
		}
		// Shown whomever the server says that it trusts.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
	default:
		return "", nil, fmt.Errorf("door %q: want %s or %s", name, Bare, Stranger)
	}
	return "https://" + netip.AddrPortFrom(r.nodes[1].Addr(), components.DefaultPort).String(), config, nil
}

// Redundancy implements harness.RedundancyReporter: the backends that are ready.
func (r *RunningMutual) Redundancy(ctx context.Context) (have, want int, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var group sync.WaitGroup
	ready := make([]bool, len(r.askers))
	for i, a := range r.askers {
		group.Go(func() {
			answer, err := a.Get(ctx, "/ready")
			ready[i] = err == nil && answer.Status == http.StatusOK
		})
	}
	group.Wait()
	for _, is := range ready {
		if is {
			have++
		}
	}
	return have, len(r.askers), nil
}

// Settle implements harness.Settler: both backends are ready, requests are
// answered through the gateway, the first short-lived certificates are in
// place, and from now on they are renewed.
func (r *RunningMutual) Settle(ctx context.Context) error {
	for {
		err := r.steady(ctx)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", r.declared.Name(), ctx.Err(), err)
		case <-time.After(askPause):
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil || r.declared.Ahead == 0 {
		return nil
	}
	until, err := r.install(ctx)
	if err != nil {
		return err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop, r.stopped = stop, make(chan struct{})
	go r.renew(renewing, until)
	return nil
}

func (r *RunningMutual) steady(ctx context.Context) error {
	have, want, err := r.Redundancy(ctx)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%d of %d backends are ready", have, want)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	answer, err := probe.Once(ctx, r.env.Data(), netip.AddrPortFrom(r.nodes[0].Addr(), proxy.DefaultPort), "/")
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("the gateway answered %d", answer.Status)
	}
	return err
}

// Quiesce implements harness.Quiescer: requests leave no state.
func (r *RunningMutual) Quiesce(context.Context) error { return nil }

// install puts a new certificate in place at every holder. Nobody is told: each
// looks at its file itself.
func (r *RunningMutual) install(ctx context.Context) (until time.Time, err error) {
	end := time.Now().Add(r.declared.Lifetime)
	for i, h := range r.holders {
		pair, err := r.trusted.Issue(h.leaf(end))
		if err != nil {
			return until, err
		}
		if err := r.env.Put(ctx, r.nodes[i], harness.File{Path: h.file, Mode: 0o600, Content: together(pair)}); err != nil {
			return until, fmt.Errorf("renew the certificate of %s: %w", h.name, err)
		}
		until = pair.Until
	}
	return until, nil
}

// renew does so each time before the end, until ctx ends.
func (r *RunningMutual) renew(ctx context.Context, until time.Time) {
	defer close(r.stopped)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(until.Add(-r.declared.Ahead))):
		}
		limit, cancel := context.WithTimeout(ctx, renewLimit)
		next, err := r.install(limit)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				r.mu.Lock()
				r.failure = err
				r.mu.Unlock()
			}
			return
		}
		until = next
	}
}

// Stop implements harness.Stopper. A renewal that failed is an error of the
// drill: without it nothing was rotated.
func (r *RunningMutual) Stop(ctx context.Context) error {
	for _, a := range r.askers {
		a.Close()
	}
	r.mu.Lock()
	stop, stopped := r.stop, r.stopped
	r.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	select {
	case <-stopped:
	case <-ctx.Done():
		return fmt.Errorf("stop renewing certificates: %w", ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

// Milestone implements harness.Milestones: who shows a new certificate, and who
// was refused.
func (r *RunningMutual) Milestone(_, line string) (harness.Milestone, bool) {
	for _, word := range []string{"certificate", "rotation: "} {
		if strings.Contains(line, word) && !strings.Contains(line, "TLS handshake error") {
			return harness.Milestone{Keep: true, Text: line}, true
		}
	}
	return harness.Milestone{}, false
}
