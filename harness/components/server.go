package components

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultPort is where components listen.
	DefaultPort = 8080
	// NodeHeader bears the name of the node that answered.
	NodeHeader = "X-Hadrill-Node"

	keyPort  = "HADRILL_PORT"
	keyDrain = "HADRILL_DRAIN"
	keyEnd   = "HADRILL_END"

	endDrained = "drained" // requests under way are ended first
	endAtOnce  = "at-once" // they are broken off

	drainLimit = 5 * time.Second
	// silenceLimit is how long a connection may be open at the end without a
	// word; net/http waits five seconds for one (http.Server.Shutdown).
	silenceLimit = 250 * time.Millisecond
)

// server is what every HTTP component shares: /live, /ready, /count, the
// node's name in each answer, and a gentle end.
//
//	SIGTERM ──▶ /ready says 503 ── HADRILL_DRAIN passes ──▶ listener closes
//	            (proxies look away;                         requests under way
//	            answers close their                         end, at most 5 s
//	            connections)
//
// With HADRILL_TLS_CERT and HADRILL_TLS_KEY it speaks TLS, and with
// HADRILL_TLS_CLIENTS mutual TLS; see transit.
//
// With HADRILL_END=at-once it does none of this, as a program that does not
// handle the signal.
type server struct {
	node     string
	port     int
	drain    time.Duration
	end      string
	mux      *http.ServeMux
	transit  transit
	served   atomic.Int64 // answers of the component's own routes
	draining atomic.Bool
	// alive and prepared answer for /live and /ready, beside what the server
	// knows itself; nil: nothing is asked. Set before serve.
	alive, prepared func(context.Context) error
}

func newServer(s *Settings) *server {
	srv := &server{
		node:  s.Text(KeyNode, ""),
		port:  s.Port(keyPort, DefaultPort),
		drain: s.Duration(keyDrain, 0),
		end:   s.Choice(keyEnd, endDrained, endAtOnce),
		mux:   http.NewServeMux(),
	}
	srv.transit = readTransit(s)
	srv.mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) { srv.health(w, r, srv.alive, "live") })
	srv.mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		if srv.draining.Load() {
			srv.answer(w, http.StatusServiceUnavailable, "draining")
			return
		}
		srv.health(w, r, srv.prepared, "ready")
	})
	srv.mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) {
		srv.answer(w, http.StatusOK, fmt.Sprint(srv.served.Load()))
	})
	return srv
}

// health answers word, or 503 with what is wrong.
func (s *server) health(w http.ResponseWriter, r *http.Request, ask func(context.Context) error, word string) {
	if ask != nil {
		if err := ask(r.Context()); err != nil {
			s.answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
	}
	s.answer(w, http.StatusOK, word)
}

// handle adds one of the component's own routes, which are counted.
func (s *server) handle(pattern string, h http.HandlerFunc) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		s.served.Add(1)
		if s.draining.Load() {
			// A proxy that keeps this connection would send the next request
			// into its end.
			w.Header().Set("Connection", "close")
		}
		h(w, r)
	})
}

func (s *server) answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set(NodeHeader, s.node)
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client may be gone; that is its business
}

// serve listens until ctx ends, then drains.
func (s *server) serve(ctx context.Context) error {
	listener, err := net.Listen("tcp4", fmt.Sprintf(":%d", s.port))
	if err != nil {
		return fmt.Errorf("listen on port %d: %w", s.port, err)
	}
	if listener, err = s.transit.secure(listener, func(line string) { fmt.Printf("%s: %s\n", s.node, line) }); err != nil {
		return err
	}
	fmt.Printf("%s serves on port %d\n", s.node, s.port)
	var silent newcomers
	web := &http.Server{Handler: s.transit.aged(s.mux), ReadHeaderTimeout: 30 * time.Second, ConnContext: born, ConnState: silent.state}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on port %d: %w", s.port, err)
	case <-ctx.Done():
	}
	if s.end == endAtOnce {
		return web.Close()
	}
	s.draining.Store(true)
	fmt.Printf("%s drains\n", s.node)
	time.Sleep(s.drain)
	limit, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	defer time.AfterFunc(silenceLimit, silent.end).Stop()
	if err := web.Shutdown(limit); err != nil {
		return fmt.Errorf("drain: %w", errors.Join(err, web.Close()))
	}
	fmt.Printf("%s has drained after %d answers\n", s.node, s.served.Load())
	return nil
}

// newcomers are connections on which nothing has been asked yet. Proxies open
// some in advance, and never use them where somebody drains. Safe for
// concurrent use.
type newcomers struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// state implements http.Server.ConnState.
func (n *newcomers) state(c net.Conn, now http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now != http.StateNew {
		delete(n.open, c)
		return
	}
	if n.open == nil {
		n.open = map[net.Conn]struct{}{}
	}
	n.open[c] = struct{}{}
}

// end closes them.
func (n *newcomers) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.open {
		_ = c.Close() // its client may have done so
	}
}
