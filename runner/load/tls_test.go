package load

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/authority"
	"github.com/hadrill/hadrill/runner/record"
)

// secureWeb is a Running that serves https on loopback.
type secureWeb struct {
	web
	trust *authority.Authority
}

func (w secureWeb) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: w.trust.Pool(), MinVersion: tls.VersionTLS12}
}

// serveSecurely serves with what certificate says at each handshake.
func serveSecurely(t *testing.T, trust *authority.Authority, certificate func() authority.Pair) (secureWeb, *atomic.Int64) {
	t.Helper()
	handshakes := new(atomic.Int64)
	s := httptest.NewUnstartedServer(http.HandlerFunc(fine))
	// Not GetCertificate: httptest adds a certificate of its own, which clients
	// that name no server, as with an address, would be shown.
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		handshakes.Add(1)
		p := certificate()
		pair, err := tls.X509KeyPair(p.Cert, p.Key)
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, err
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return secureWeb{web{url: s.URL}, trust}, handshakes
}

func certificate(t *testing.T, a *authority.Authority, l authority.Leaf) authority.Pair {
	t.Helper()
	l.Name = "server"
	if l.Addrs == nil {
		l.Addrs = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	p, err := a.Issue(l)
	require.NoError(t, err)
	return p
}

func TestHTTPSFreshLaneMakesAFullHandshakeARequest(t *testing.T) {
	trust, err := authority.New("test")
	require.NoError(t, err)
	p := certificate(t, trust, authority.Leaf{})
	running, handshakes := serveSecurely(t, trust, func() authority.Pair { return p })
	log, stats := drive(t, HTTP{Rate: 100, Timeout: 10 * time.Second}, running, time.Second)
	requireHistory(t, log)
	assert.Equal(t, Stats{Intended: 100, Ok: 100}, stats)
	assert.GreaterOrEqual(t, handshakes.Load(), int64(51), "50 of the fresh lane, and those of the pool")
}

func TestHTTPSCertificatesThatClientsMustRefuse(t *testing.T) {
	trust, err := authority.New("test")
	require.NoError(t, err)
	stranger, err := authority.New("another")
	require.NoError(t, err)
	for class, p := range map[string]authority.Pair{
		"certificate outside its validity":    certificate(t, trust, authority.Leaf{From: time.Now().Add(-time.Minute), Until: time.Now().Add(-time.Second)}),
		"certificate of an unknown authority": certificate(t, stranger, authority.Leaf{}),
		"certificate invalid":                 certificate(t, trust, authority.Leaf{Client: true}),
		"certificate of another host":         certificate(t, trust, authority.Leaf{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.2")}}),
	} {
		t.Run(class, func(t *testing.T) {
			running, _ := serveSecurely(t, trust, func() authority.Pair { return p })
			log, stats := drive(t, HTTP{Rate: 20, Timeout: 10 * time.Second}, running, 500*time.Millisecond)
			assert.Equal(t, 10, int(stats.Intended))
			assert.Zero(t, stats.Ok)
			for _, o := range log.Ops {
				assert.Equal(t, record.Fail, o.Outcome, "nothing was sent")
				assert.Equal(t, class, log.Errors[o.Error])
			}
		})
	}
}

// doored is a Running with a way in beside its URL.
type doored struct {
	web
	door   string
	secure *tls.Config
}

func (d doored) Door(name string) (string, *tls.Config, error) {
	if name != "back" {
		return "", nil, errors.New("no such door")
	}
	return d.door, d.secure, nil
}

func TestADoorIsKnockedAtInsteadOfTheURL(t *testing.T) {
	trust, err := authority.New("test")
	require.NoError(t, err)
	p := certificate(t, trust, authority.Leaf{})
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(fine))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trust.Pool()}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // every refusal
	s.StartTLS()
	t.Cleanup(s.Close)
	running := doored{web{url: "http://127.0.0.1:1"}, s.URL, &tls.Config{RootCAs: trust.Pool(), MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, ServerName: "server"}}
	history, stats := drive(t, HTTP{Rate: 20, Door: "back", Intruder: true, Timeout: 10 * time.Second}, running, 500*time.Millisecond)
	assert.Equal(t, 10, int(stats.Intended))
	assert.Zero(t, stats.Ok)
	for _, o := range history.Ops {
		assert.Equal(t, record.Fail, o.Outcome, "the request was never sent")
		assert.Contains(t, history.Errors[o.Error], "handshake refused: ", "the server's own word")
	}
	_, err = HTTP{Door: "side"}.Open(t.Context(), Target{Running: running})
	assert.ErrorContains(t, err, "no such door")
	_, err = HTTP{Door: "back"}.Open(t.Context(), Target{Running: web{}})
	assert.ErrorContains(t, err, "harness.Doors")
}
