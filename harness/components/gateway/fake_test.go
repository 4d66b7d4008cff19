package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hadrill/hadrill/harness/components/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is an instance whose behaviour a test changes while it serves.
type backend struct {
	id      string
	addr    string
	served  atomic.Int64 // requests that reached the handler, checks excluded
	healthy atomic.Bool
	handler atomic.Pointer[http.HandlerFunc]
}

func newBackend(t *testing.T, id string) *backend {
	b := &backend{id: id}
	b.healthy.Store(true)
	b.does(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, id) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" {
			if !b.healthy.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return
		}
		b.served.Add(1)
		(*b.handler.Load())(w, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	b.addr = server.Listener.Addr().String()
	return b
}

func (b *backend) does(h http.HandlerFunc) { b.handler.Store(&h) }

func (b *backend) instance() registry.Instance { return registry.Instance{ID: b.id, Addr: b.addr} }

// dead is an instance that nobody listens for.
func dead(t *testing.T, id string) registry.Instance {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return registry.Instance{ID: id, Addr: l.Addr().String()}
}

// breakOff ends the connection without an answer.
func breakOff(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// stand is a gateway of one route that runs for a test.
type stand struct {
	*Gateway
	url   string
	mu    sync.Mutex
	lines []string
}

func start(t *testing.T, r Route, instances ...registry.Instance) *stand {
	t.Helper()
	r.Name, r.Instances = "all", instances
	return startConfig(t, Config{Node: "gw", Routes: []Route{r}})
}

func startConfig(t *testing.T, c Config) *stand {
	t.Helper()
	s := &stand{}
	g, err := New(c, Seams{Say: func(line string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lines = append(s.lines, line)
	}})
	require.NoError(t, err)
	s.Gateway = g
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	server := httptest.NewServer(g.Handler())
	s.url = server.URL
	t.Cleanup(func() {
		server.Close()
		cancel()
		require.NoError(t, <-ended)
	})
	require.Eventually(t, func() bool { return g.Ready() == nil }, 10*time.Second, time.Millisecond)
	return s
}

// said tells how often a line was said that contains text.
func (s *stand) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.lines...)
}

// in are the instances in rotation.
func (s *stand) in() (ids []string) {
	for _, m := range s.Pools()[0].Members {
		if m.In {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// request makes a request and returns its status, body and header.
func (s *stand) request(t *testing.T, method, path string, body io.Reader, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	// No hidden retries of the client's own: one connection a request.
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text), answer.Header
}

func (s *stand) get(t *testing.T, header ...string) (int, string, http.Header) {
	t.Helper()
	return s.request(t, http.MethodGet, "/", nil, header...)
}

// contextWithCancel is a context that ends with the test at the latest.
func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}
