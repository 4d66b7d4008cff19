package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// drainLimit is how long connections get to end before they are cut.
const drainLimit = 5 * time.Second

// server is a gateway on its sockets.
//
//	stop ──▶ /ready says 503 ── Drain passes ──▶ no new ──▶ connections end, each
//	         answers close their connections     connections   after its next answer;
//	                                                           at most 5 s
//
// Handed over to a successor, it leaves out the wait: the sockets stay open in
// the successor, so nobody has to look away first.
type server struct {
	gateway  *Gateway
	sockets  listeners
	traffic  *http.Server
	admin    *http.Server
	begin    <-chan struct{} // nothing is accepted before; nil: at once
	draining atomic.Bool
	open     atomic.Int64 // client connections
}

func newServer(g *Gateway, sockets listeners) *server {
	s := &server{gateway: g, sockets: sockets}
	s.traffic = &http.Server{
		Handler: s.lastAnswers(g.Handler()), ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.open.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.open.Add(-1)
			}
		},
	}
	s.admin = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	return s
}

// lastAnswers closes each connection with its next answer once the gateway
// drains: closed while it is idle, it would meet a request on its way.
func (s *server) lastAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// routes are those of the admin port.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	say := func(w http.ResponseWriter, status int, text string) {
		w.Header().Set(NodeHeader, s.gateway.config.Node)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		fmt.Fprintln(w, text)
	}
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "live") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		err := s.gateway.Ready()
		switch {
		case s.draining.Load():
			say(w, http.StatusServiceUnavailable, "draining")
		case err != nil:
			say(w, http.StatusServiceUnavailable, err.Error())
		default:
			say(w, http.StatusOK, "ready")
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.gateway.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /pool", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(NodeHeader, s.gateway.config.Node)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.gateway.Pools()) // the client may be gone; that is its business
	})
	return mux
}

// serve serves until stop or handover ends, then drains and returns.
func (s *server) serve(stop, handover context.Context) error {
	defer s.admin.Close()
	front, err := secured(s.sockets.traffic, s.gateway.config.TLS, s.gateway.say)
	if err != nil {
		return errors.Join(err, s.sockets.close())
	}
	running, end := context.WithCancel(context.WithoutCancel(stop))
	defer end()
	failed := make(chan error, 3)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := s.gateway.Run(running); err != nil {
			failed <- err
		}
	}()
	defer func() { end(); <-watched }()
	serving := func(h *http.Server, l net.Listener) {
		if s.begin != nil {
			select {
			case <-s.begin:
			case <-running.Done():
				return
			}
		}
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) && !s.draining.Load() {
			failed <- fmt.Errorf("serve: %w", err)
		}
	}
	go serving(s.traffic, front)
	go serving(s.admin, s.sockets.admin)
	pause := s.gateway.config.Drain
	select {
	case err := <-failed:
		return errors.Join(err, s.traffic.Close())
	case <-handover.Done():
		// From here on the successor alone says how the gateway is.
		pause = 0
		if err := s.admin.Close(); err != nil {
			s.gateway.say(fmt.Sprintf("close the admin port: %v", err))
		}
	case <-stop.Done():
	}
	return s.drain(pause)
}

// drain ends the gateway without breaking off an answer.
func (s *server) drain(pause time.Duration) error {
	s.draining.Store(true)
	s.gateway.say(fmt.Sprintf("drains %d connections", s.open.Load()))
	time.Sleep(pause)
	_ = s.sockets.traffic.Close() // closed only once; Shutdown below does it again
	limit, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	for s.open.Load() > 0 && limit.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	last, cancelLast := context.WithTimeout(context.Background(), drainLimit)
	defer cancelLast()
	left := s.open.Load()
	if err := s.traffic.Shutdown(last); err != nil {
		return fmt.Errorf("drain: %w", errors.Join(err, s.traffic.Close()))
	}
	s.gateway.say(fmt.Sprintf("has drained; %d connections were idle to the end", left))
	return nil
}
