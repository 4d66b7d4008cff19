package load

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// Classes of errors that only HTTP has.
const errHiddenRetry = classed("kept connection lost: the client's library would have retried unseen")

// sequenceHeader is where vegeta tells which request this is.
const sequenceHeader = "X-Vegeta-Seq"

// transport is an http.Transport whose dials are bounded and owned: none
// outlives close, though the library lets a dial go on when its request has
// given up.
type transport struct {
	http   *http.Transport
	cancel context.CancelFunc
	dials  sync.WaitGroup
}

// newTransport dials from a vantage. secure is what clients of https trust,
// nil where there is none. Sessions of TLS are not resumed: a fresh connection
// is a full handshake, which is what a new visitor makes.
func newTransport(from harness.Vantage, secure *tls.Config, fresh bool, clients int, timeout time.Duration) *transport {
	owner, cancel := context.WithCancel(context.Background())
	t := &transport{cancel: cancel}
	t.http = &http.Transport{
		Proxy:               nil, // a proxy of the environment would leave the machine
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: timeout,
		DisableCompression:  true,
		DisableKeepAlives:   fresh,
		MaxIdleConnsPerHost: clients,
		MaxIdleConns:        clients,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			t.dials.Add(1)
			defer t.dials.Done()
			ctx, stop := context.WithTimeout(ctx, timeout)
			defer stop()
			defer context.AfterFunc(owner, stop)()
			conn, err := from.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			if tcp, ok := conn.(*net.TCPConn); ok && fresh {
				// Close by reset: thousands of connections in TIME_WAIT would
				// use up the local ports and stop the generator.
				_ = tcp.SetLinger(0)
			}
			return conn, nil
		},
	}
	return t
}

func (t *transport) close() {
	t.cancel()
	t.http.CloseIdleConnections()
	t.dials.Wait()
	t.http.CloseIdleConnections()
}

// RoundTrip makes exactly one try within the lane's timeout and notes how it
// ended. The library's transport retries a request by itself, unseen, when a
// kept connection turns out to be lost (net/http, Transport); that would hide
// exactly what is measured, so a second connection for the same request ends
// it as the failure that the first one was.
func (a *attack) RoundTrip(req *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(req.Header.Get(sequenceHeader), 10, 64)
	if err != nil {
		return nil, err
	}
	seen := &attempt{process: a.process()}
	seen.start = a.target.now() // after the process is ours: it does one thing at a time
	a.mu.Lock()
	a.attempts[seq] = seen
	a.mu.Unlock()
	if seen.start.Sub(a.start.Add(a.schedule.At(seq))) > a.timeout {
		seen.class, seen.unsent = NotSent, true
		return nil, classed(NotSent)
	}

	ctx, cancel := context.WithTimeout(a.ctx, a.timeout)
	var connections atomic.Int32
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			if connections.Add(1) > 1 {
				cancel()
			}
		},
		WroteHeaders: func() { wrote.Store(true) },
	})
	req = req.WithContext(ctx)
	if shown := a.token(); shown != "" {
		req.Header.Set("Authorization", shown)
	}
	res, err := a.transport.http.RoundTrip(req)
	if connections.Load() > 1 {
		if err == nil {
			_ = res.Body.Close()
		}
		err = errHiddenRetry
	}
	if err != nil {
		cancel()
		seen.class, seen.unsent = classify(err), !wrote.Load()
		return nil, err
	}
	res.Body = &body{ReadCloser: res.Body, cancel: cancel, seen: seen}
	return res, nil
}

// body notes an answer that breaks off, and ends the request's context when
// the answer has been read.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
	seen   *attempt
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.seen.class = "answer broke off: " + classify(err)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}
