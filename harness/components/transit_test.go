package components

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/authority"
	"github.com/hadrill/hadrill/harness/components/credentials"
)

// serveIn serves "ok" as a component with these settings does, and returns its URL.
func serveIn(t *testing.T, way transit) string {
	t.Helper()
	plain, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	listener, err := way.secure(plain, func(string) {})
	require.NoError(t, err)
	server := &http.Server{
		Handler:     way.aged(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })),
		ConnContext: born, ErrorLog: log.New(io.Discard, "", 0),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	return listener.Addr().String()
}

func TestOnlyWhoShowsACertificateOfTheRightAuthorityIsLetIn(t *testing.T) {
	folder := t.TempDir()
	trust, err := authority.New("run")
	require.NoError(t, err)
	stranger, err := authority.New("stranger")
	require.NoError(t, err)
	pair, err := trust.Issue(authority.Leaf{Name: "backend", Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	require.NoError(t, err)
	file, root := filepath.Join(folder, "server.pem"), filepath.Join(folder, "root.pem")
	require.NoError(t, os.WriteFile(file, append(pair.Cert, pair.Key...), 0o600))
	require.NoError(t, os.WriteFile(root, trust.RootPEM(), 0o600))
	of := func(a *authority.Authority, l authority.Leaf) []tls.Certificate {
		l.Name = "client"
		p, err := a.Issue(l)
		require.NoError(t, err)
		shown, err := tls.X509KeyPair(p.Cert, p.Key)
		require.NoError(t, err)
		return []tls.Certificate{shown}
	}
	address := serveIn(t, transit{files: credentials.Files{Cert: file, Key: file}, clients: root})
	for name, c := range map[string]struct {
		shown []tls.Certificate
		in    bool
	}{
		"a client of the run":       {of(trust, authority.Leaf{Client: true}), true},
		"nobody":                    {nil, false},
		"a stranger":                {of(stranger, authority.Leaf{Client: true}), false},
		"a server of the run":       {of(trust, authority.Leaf{}), false},
		"one whose time has passed": {of(trust, authority.Leaf{Client: true, From: time.Now().Add(-time.Minute), Until: time.Now().Add(-time.Second)}), false},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{RootCAs: trust.Pool(), MinVersion: tls.VersionTLS12}
			// Shown whomever the server says that it trusts.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(c.shown) == 0 {
					return &tls.Certificate{}, nil
				}
				return &c.shown[0], nil
			}
			client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
			answer, err := client.Get("https://" + address)
			if c.in {
				require.NoError(t, err)
				require.NoError(t, answer.Body.Close())
				return
			}
			require.Error(t, err)
		})
	}
}

func TestAConnectionEndsWithAnAnswerWhenItIsOldEnough(t *testing.T) {
	const age = 200 * time.Millisecond
	address := serveIn(t, transit{age: age})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	began := time.Now()
	get := func() (reused, last bool) {
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
		}), http.MethodGet, "http://"+address, nil)
		require.NoError(t, err)
		answer, err := transport.RoundTrip(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return reused, answer.Close
	}
	reused, last := get()
	require.False(t, reused)
	for !last {
		reused, last = get()
		require.True(t, reused, "it is kept until an answer ends it")
	}
	require.GreaterOrEqual(t, time.Since(began), age)
	reused, _ = get()
	require.False(t, reused, "and then there is another")
}

func TestACertificateThatIsNotThereIsAnErrorAtStart(t *testing.T) {
	way := transit{files: credentials.Files{Cert: "missing.pem", Key: "missing.pem"}}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = way.secure(l, func(string) {})
	require.ErrorContains(t, err, "HADRILL_TLS_CERT")
	require.Error(t, l.Close(), "nobody listens any more")
}

// A proxy's spare connection must not hold up the end of a server.
func TestAServerEndsWithoutWaitingForThoseWhoSayNothing(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	srv := &server{node: "n", port: port, end: endDrained, mux: http.NewServeMux()}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.serve(ctx) }()
	var spare net.Conn
	require.Eventually(t, func() bool {
		spare, err = net.Dial("tcp4", l.Addr().String())
		return err == nil
	}, 10*time.Second, time.Millisecond)
	defer spare.Close()
	stop()
	began := time.Now()
	require.NoError(t, <-ended)
	require.Less(t, time.Since(began), drainLimit)
}
