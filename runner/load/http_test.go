package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// web is a Running that serves HTTP on loopback.
type web struct {
	bare
	url string
}

func (w web) URL() string { return w.url }

// serve starts a web server and counts its connections.
func serve(t testing.TB, h http.HandlerFunc) (web, *atomic.Int64) {
	connections := new(atomic.Int64)
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return web{url: s.URL}, connections
}

func fine(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }

func TestHTTPHasAPooledAndAFreshLane(t *testing.T) {
	running, connections := serve(t, fine)
	log, stats := drive(t, HTTP{Rate: 400}, running, time.Second)
	requireHistory(t, log)
	assert.Equal(t, Stats{Intended: 400, Ok: 400}, stats)
	assert.Len(t, inLane(log, 0), 200)
	assert.Len(t, inLane(log, 1), 200)
	assert.Equal(t, []string{"http/pooled", "http/fresh"}, []string{log.Header.Lanes[0].Name, log.Header.Lanes[1].Name})
	got := connections.Load()
	assert.GreaterOrEqual(t, got, int64(201), "each fresh request has its own connection")
	assert.Less(t, got, int64(260), "pooled requests share theirs")
}

func TestHTTPOutcomes(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is seen only behind the body
		<-r.Context().Done()
	}
	breakOff := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	}
	degraded := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Degraded", "cached") }
	for name, c := range map[string]struct {
		method  string
		handler http.HandlerFunc
		outcome record.Outcome
		class   string
	}{
		"no content":       {"GET", answer(204), record.Ok, ""},
		"redirect":         {"GET", answer(302), record.Ok, ""},
		"degraded":         {"GET", degraded, record.Degraded, ""},
		"bad gateway":      {"GET", answer(502), record.Fail, "http 502"},
		"post refused":     {"POST", answer(429), record.Fail, "http 429"},
		"post bad gateway": {"POST", answer(502), record.Info, "http 502"},
		"get hangs":        {"GET", hang, record.Fail, "timeout"},
		"post hangs":       {"POST", hang, record.Info, "timeout"},
		"breaks off":       {"GET", breakOff, record.Fail, "answer broke off: connection closed by the peer"},
	} {
		t.Run(name, func(t *testing.T) {
			running, _ := serve(t, c.handler)
			log, stats := drive(t, HTTP{Rate: 100, Method: c.method, Body: strings.Repeat("x", len(c.method)-3), Degraded: "X-Degraded", Timeout: 100 * time.Millisecond}, running, 100*time.Millisecond)
			requireHistory(t, log)
			requireBalance(t, stats)
			require.Len(t, log.Ops, 10)
			for _, op := range log.Ops {
				assert.Equal(t, c.outcome, op.Outcome)
				assert.Equal(t, c.class, log.Errors[op.Error])
			}
		})
	}
}

func TestRefusedConnectionIsAFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	running := web{url: "http://" + l.Addr().String()}
	require.NoError(t, l.Close())
	log, _ := drive(t, HTTP{Rate: 100, Method: "POST"}, running, 100*time.Millisecond)
	assert.Equal(t, map[string]int{"connection refused": 10}, errorsOf(log, log.Ops))
	for _, op := range log.Ops {
		assert.Equal(t, record.Fail, op.Outcome, "nothing was sent, also of a POST")
	}
}

func TestHTTPStallIsSeenByEveryIntendedRequest(t *testing.T) {
	const stall, rate = 300 * time.Millisecond, 500
	var mu sync.RWMutex
	running, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.RLock()
		defer mu.RUnlock()
		fine(w, r)
	})
	time.AfterFunc(400*time.Millisecond, func() {
		mu.Lock()
		defer mu.Unlock()
		time.Sleep(stall)
	})
	// So few workers that vegeta must hold requests back.
	log, stats := drive(t, HTTP{Rate: rate, Clients: 8, Connections: []string{Pooled}}, running, time.Second)
	requireHistory(t, log)
	assert.Equal(t, Stats{Intended: rate, Ok: rate}, stats, "the rate is never lowered")
	slow := 0
	for _, op := range log.Ops {
		if op.End.Sub(op.Intended) > 20*time.Millisecond {
			slow++
		}
	}
	assert.GreaterOrEqual(t, slow, 130, "requests that were due during the stall")
}

func TestRequestsNeverSentAreInTheHistory(t *testing.T) {
	running, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	log, stats := drive(t, HTTP{Rate: 500, Clients: 4, Timeout: 100 * time.Millisecond, Connections: []string{Pooled}}, running, 500*time.Millisecond)
	assert.Less(t, time.Since(began), time.Second)
	requireHistory(t, log)
	requireBalance(t, stats)
	require.Len(t, log.Ops, 250)
	classes := errorsOf(log, log.Ops)
	assert.Equal(t, 250, classes["timeout"]+classes[NotSent]+classes[NotSentEnd], "%v", classes)
	assert.Greater(t, classes[NotSent], 150)
}

func TestCancelledAttackEndsAtOnce(t *testing.T) {
	running, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	b := newBench(t)
	s, err := HTTP{Rate: 100, Clients: 3, Timeout: time.Minute, Connections: []string{Pooled}}.Open(t.Context(), b.target(running))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.NoError(t, s.Run(ctx, b.now(), time.Hour))
	assert.Less(t, time.Since(began), 500*time.Millisecond)
	require.NoError(t, s.Close())
	log := b.log()
	requireHistory(t, log)
	assert.InDelta(t, 20, len(log.Ops), 2)
	assert.Greater(t, errorsOf(log, log.Ops)[NotSentEnd], 10)
}

// A server that closes kept connections without a word: the library retries a
// GET on a new connection and reports success. The lane must not.
func TestHiddenRetryIsTheFailureThatTheClientSaw(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var servers sync.WaitGroup
	servers.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			servers.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for n := 0; ; n++ {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					if n == 1 {
						return // the second request finds the connection lost
					}
					_, _ = io.Copy(io.Discard, req.Body)
					fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
		}
	})
	log, stats := drive(t, HTTP{Rate: 100, Clients: 1, Connections: []string{Pooled}}, web{url: "http://" + l.Addr().String()}, 400*time.Millisecond)
	require.NoError(t, l.Close())
	servers.Wait()
	requireHistory(t, log)
	assert.Equal(t, map[string]int{string(errHiddenRetry): 20}, errorsOf(log, log.Ops), "every second request")
	assert.Equal(t, uint64(20), stats.Ok)
}

func TestGeneratorOutOfFilesIsItsOwnClass(t *testing.T) {
	running, _ := serve(t, fine)
	target := newBench(t)
	vantage := broken{&net.OpError{Op: "dial", Net: "tcp", Err: syscall.EMFILE}}
	to := target.target(running)
	to.Vantage = func(string) (harness.Vantage, error) { return vantage, nil }
	s, err := HTTP{Rate: 100}.Open(t.Context(), to)
	require.NoError(t, err)
	require.NoError(t, s.Run(t.Context(), target.now(), 50*time.Millisecond))
	require.NoError(t, s.Close())
	log := target.log()
	for class := range errorsOf(log, log.Ops) {
		assert.True(t, strings.HasPrefix(class, GeneratorPrefix), class)
	}
	assert.Len(t, errorsOf(log, log.Ops), 1)
}

type broken struct{ err error }

func (broken) Name() string { return "" }
func (b broken) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, b.err
}

func TestWithoutARunOnlyLoopbackIsDialled(t *testing.T) {
	log, _ := drive(t, HTTP{Rate: 100, URL: "http://192.0.2.1:80"}, bare{}, 50*time.Millisecond)
	for class := range errorsOf(log, log.Ops) {
		assert.Contains(t, class, "only loopback addresses are dialled")
	}
}
