package components

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	keyWarning  = "HADRILL_WARNING"
	keyWatchTLS = "HADRILL_WATCHES"

	certificatePause = 200 * time.Millisecond
	certificateLimit = time.Second
)

var _ = register("certwatch", runCertwatch)

// runCertwatch sees the end of a certificate coming: it makes a handshake with
// a server again and again, as its clients do, and looks at the certificate
// that is really shown. The file on the disk is not asked: a renewed file that
// nobody reads is how outages at expiry come about. Settings:
//
//	HADRILL_WATCHES  the server, IP:port
//	HADRILL_WARNING  how long before the end it warns; default 72h
//
// It says, once a certificate:
//
//	certificate 2 is shown, until 2026-03-14T02:00:00Z
//	certificate 2 ends in 2.9s, below 3s
//	certificate 2 has ended
func runCertwatch(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	text := s.Text(keyWatchTLS, "")
	warning := s.Duration(keyWarning, 72*time.Hour)
	server, err := netip.ParseAddrPort(text)
	if err != nil && text != "" {
		s.fail(keyWatchTLS, text, "IP:port")
	}
	srv.handle("GET /", func(w http.ResponseWriter, _ *http.Request) { srv.answer(w, http.StatusOK, "ok "+srv.node) })
	if err := s.Check(); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		watchCertificate(watching, server, warning, func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
	}()
	defer func() { stop(); <-done }()
	return srv.serve(ctx)
}

// watchCertificate looks until ctx ends.
func watchCertificate(ctx context.Context, server netip.AddrPort, warning time.Duration, say func(string, ...any)) {
	var serial string
	var warned, ended bool
	for {
		if shown, until, err := shownCertificate(ctx, server); err == nil {
			if shown != serial {
				serial, warned, ended = shown, false, false
				say("certificate %s is shown, until %s", serial, until.UTC().Format(time.RFC3339))
			}
			left := time.Until(until)
			if left < warning && !warned {
				warned = true
				say("certificate %s ends in %v, below %v", serial, left.Round(100*time.Millisecond), warning)
			}
			if left <= 0 && !ended {
				ended = true
				say("certificate %s has ended", serial)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(certificatePause):
		}
	}
}

// shownCertificate makes one handshake and returns what it was shown.
func shownCertificate(ctx context.Context, server netip.AddrPort) (serial string, until time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, certificateLimit)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", server.String())
	if err != nil {
		return "", time.Time{}, fmt.Errorf("look at the certificate of %s: %w", server, err)
	}
	defer raw.Close()
	// Also what clients refuse must be looked at, and nothing is sent.
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", time.Time{}, fmt.Errorf("look at the certificate of %s: %w", server, err)
	}
	shown := conn.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		return "", time.Time{}, errors.New("the server showed no certificate")
	}
	return shown[0].SerialNumber.String(), shown[0].NotAfter, nil
}
