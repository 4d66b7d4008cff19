package gateway

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/authority"
	"github.com/hadrill/hadrill/harness/components/registry"
)

// mutualBackend asks its clients for a certificate of trust, and shows one of signer.
func mutualBackend(t *testing.T, trust, signer *authority.Authority) registry.Instance {
	t.Helper()
	p, err := signer.Issue(authority.Leaf{Name: "b1", Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	require.NoError(t, err)
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trust.Pool()}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // every refusal
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return registry.Instance{ID: "b1", Addr: server.Listener.Addr().String()}
}

// upstream writes what a gateway shows, of signer, and whom it trusts.
func upstream(t *testing.T, trust, signer *authority.Authority) Upstream {
	t.Helper()
	folder := t.TempDir()
	p, err := signer.Issue(authority.Leaf{Name: "gateway", Client: true})
	require.NoError(t, err)
	u := Upstream{Cert: filepath.Join(folder, "client.pem"), Key: filepath.Join(folder, "client.pem"), Roots: filepath.Join(folder, "root.pem")}
	require.NoError(t, os.WriteFile(u.Cert, append(p.Cert, p.Key...), 0o600))
	require.NoError(t, os.WriteFile(u.Roots, trust.RootPEM(), 0o600))
	return u
}

func TestInstancesAreSpokenToOverMutualTLS(t *testing.T) {
	trust, err := authority.New("run")
	require.NoError(t, err)
	stranger, err := authority.New("stranger")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		server, client *authority.Authority
		status         int
		answer         string
	}{
		"both are known":             {trust, trust, http.StatusOK, "gateway"},
		"the instance is a stranger": {stranger, trust, http.StatusServiceUnavailable, ""},
		"the gateway is a stranger":  {trust, stranger, http.StatusBadGateway, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := startConfig(t, Config{
				Routes:   []Route{{Name: "all", Attempts: 1, Instances: []registry.Instance{mutualBackend(t, trust, c.server)}}},
				Upstream: upstream(t, trust, c.client),
			})
			status, answer, _ := s.get(t)
			require.Equal(t, c.status, status, answer)
			if c.answer != "" {
				require.Equal(t, c.answer, answer)
			}
		})
	}
}

func TestChecksAreMadeOverMutualTLSToo(t *testing.T) {
	trust, err := authority.New("run")
	require.NoError(t, err)
	s := startConfig(t, Config{
		Routes:   []Route{{Name: "all", Health: &Health{}, Instances: []registry.Instance{mutualBackend(t, trust, trust)}}},
		Upstream: upstream(t, trust, trust),
	})
	require.Equal(t, []string{"b1"}, s.in())
}
