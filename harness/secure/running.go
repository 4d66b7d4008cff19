package secure

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/authority"
)

const (
	askLimit    = time.Second
	askPause    = 50 * time.Millisecond
	renewLimit  = 5 * time.Second
	reloadLimit = 5 * time.Second
)

// Running is a started Edge.
type Running struct {
	declared Edge
	env      *harness.Env
	nodes    []*harness.Node // the server, backends, certwatch
	addr     netip.Addr
	trusted  *authority.Authority // of clients
	signer   *authority.Authority // of renewals

	mu      sync.Mutex
	stop    context.CancelFunc // of the renewer; nil until settled
	stopped chan struct{}
	failure error // of a renewal
}

var (
	_ harness.TLSServer  = (*Running)(nil)
	_ harness.Settler    = (*Running)(nil)
	_ harness.Quiescer   = (*Running)(nil)
	_ harness.Milestones = (*Running)(nil)
	_ harness.Stopper    = (*Running)(nil)
)

// Nodes implements harness.Running.
func (r *Running) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer.
func (r *Running) URL() string { return "https://" + netip.AddrPortFrom(r.addr, port).String() }

// ClientTLS implements harness.TLSServer.
func (r *Running) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: r.trusted.Pool(), MinVersion: tls.VersionTLS12}
}

func (r *Running) ready(ctx context.Context, n *harness.Node) error {
	_, err := r.handshake(ctx)
	return err
}

// handshake asks for one page as a client does and returns the serial number
// of the certificate that it was shown.
func (r *Running) handshake(ctx context.Context) (serial int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	transport := &http.Transport{
		TLSClientConfig: r.ClientTLS(), DisableKeepAlives: true, TLSHandshakeTimeout: askLimit,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return r.env.Data().DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL()+"/", nil)
	if err != nil {
		return 0, err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s answered %d", r.URL(), res.StatusCode)
	}
	return res.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
}

// Settle implements harness.Settler: the server is shown to serve; the first
// short-lived certificate is in force, and from now on they are renewed.
func (r *Running) Settle(ctx context.Context) error {
	if err := r.serves(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	began := r.stop != nil
	r.mu.Unlock()
	if began || r.declared.Ahead == 0 {
		return nil
	}
	pair, err := r.trusted.Issue(r.leaf())
	if err != nil {
		return err
	}
	if err := r.install(ctx, pair, true); err != nil {
		return err
	}
	if err := r.shows(ctx, pair.Serial); err != nil {
		return err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop, r.stopped = stop, make(chan struct{})
	go r.renew(renewing, pair.Until)
	return nil
}

// Quiesce implements harness.Quiescer. Requests leave no state, and a server
// whose certificate has ended will not become better.
func (r *Running) Quiesce(context.Context) error { return nil }

func (r *Running) leaf() authority.Leaf {
	return authority.Leaf{Name: r.declared.Server, Addrs: []netip.Addr{r.addr}, Until: time.Now().Add(r.declared.Lifetime)}
}

func (r *Running) serves(ctx context.Context) error {
	return r.until(ctx, func() error { _, err := r.handshake(ctx); return err })
}

// shows waits until clients are shown a certificate.
func (r *Running) shows(ctx context.Context, serial int64) error {
	ctx, cancel := context.WithTimeout(ctx, reloadLimit)
	defer cancel()
	return r.until(ctx, func() error {
		shown, err := r.handshake(ctx)
		if err == nil && shown != serial {
			err = fmt.Errorf("clients are shown certificate %d and not %d", shown, serial)
		}
		return err
	})
}

func (r *Running) until(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", r.declared.Name(), ctx.Err(), err)
		case <-time.After(askPause):
		}
	}
}

// renew puts a new certificate in place each time the one in force comes near
// its end, until ctx ends.
func (r *Running) renew(ctx context.Context, until time.Time) {
	defer close(r.stopped)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(until.Add(-r.declared.Ahead))):
		}
		pair, err := r.signer.Issue(r.leaf())
		if err == nil {
			limit, cancel := context.WithTimeout(ctx, renewLimit)
			err = r.install(limit, pair, !r.declared.NoReload)
			cancel()
		}
		if err != nil {
			if ctx.Err() == nil {
				r.mu.Lock()
				r.failure = err
				r.mu.Unlock()
			}
			return
		}
		until = pair.Until
	}
}

// install writes the file and, if reload, has the server read it.
func (r *Running) install(ctx context.Context, p authority.Pair, reload bool) error {
	server := r.nodes[0]
	if err := r.env.Put(ctx, server, harness.File{Path: pairFile, Mode: 0o600, Content: together(p)}); err != nil {
		return fmt.Errorf("renew the certificate: %w", err)
	}
	if reload && r.declared.Server == Nginx {
		if err := r.env.Tell(ctx, server, "HUP"); err != nil {
			return fmt.Errorf("renew the certificate: %w", err)
		}
	}
	return nil
}

// Stop implements harness.Stopper. A renewal that failed is an error of the
// drill: without it nothing was rotated.
func (r *Running) Stop(ctx context.Context) error {
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

// Milestone implements harness.Milestones: certwatch declares the failure, and
// does so before it comes; nginx says that it read its files again.
func (r *Running) Milestone(node, line string) (harness.Milestone, bool) {
	switch {
	case node == watcherName && strings.HasPrefix(line, "certificate "):
		return harness.Milestone{Declared: strings.Contains(line, ", below "), Keep: true, Text: line}, true
	case node == Nginx && (strings.Contains(line, "reconfiguring") || strings.Contains(line, "[emerg]")):
		return harness.Milestone{Keep: true, Text: line}, true
	case node == Gateway && strings.Contains(line, "certificate"):
		return harness.Milestone{Keep: true, Text: line}, true
	}
	return harness.Milestone{}, false
}
