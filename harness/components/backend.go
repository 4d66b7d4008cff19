package components

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	keyLatency = "HADRILL_LATENCY"
	keyCost    = "HADRILL_COST"
	keyEffects = "HADRILL_EFFECTS"
)

var _ = register("backend", runBackend)

// runBackend is a service behind a proxy. Settings:
//
//	HADRILL_LATENCY  how long a request waits before it is answered
//	HADRILL_COST     how long a request computes
//	HADRILL_EFFECTS  file that effects are appended to, kept over a restart
//	HADRILL_REGISTRY, _REGISTRY_PREFIX, _LEASE, _SERVICE
//	                 where it registers itself, see enlist; none: it does not
//
// Routes beside those of every component:
//
//	GET  /            answers "ok NODE"
//	POST /effect?id=X takes effect, waits the latency, answers; the wait stands
//	                  after the effect, so that a backend which dies in it has
//	                  done the work and not said so
//	GET  /effects     every effect so far, "X" a line, in order
func runBackend(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	latency, cost := s.Duration(keyLatency, 0), s.Duration(keyCost, 0)
	effects := &effects{path: s.Text(keyEffects, "/tmp/effects")}
	entry := readEntry(s)
	if err := s.Check(); err != nil {
		return err
	}
	work := func(r *http.Request) {
		for began := time.Now(); time.Since(began) < cost; {
		}
		if latency > 0 {
			select {
			case <-time.After(latency):
			case <-r.Context().Done():
			}
		}
	}
	srv.handle("/", func(w http.ResponseWriter, r *http.Request) {
		work(r)
		srv.answer(w, http.StatusOK, "ok "+srv.node)
	})
	srv.handle("POST /effect", func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("id")
		if id == "" || len(id) > 64 {
			srv.answer(w, http.StatusBadRequest, "id: want 1 to 64 characters")
			return
		}
		if err := effects.add(id); err != nil {
			srv.answer(w, http.StatusInternalServerError, err.Error())
			return
		}
		work(r)
		srv.answer(w, http.StatusOK, "ok "+srv.node)
	})
	srv.mux.HandleFunc("GET /effects", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(NodeHeader, srv.node)
		if err := effects.copyTo(w); err != nil {
			srv.answer(w, http.StatusInternalServerError, err.Error())
		}
	})
	return entry.serve(ctx, srv)
}

// effects is a file of ids. It survives the process's death, not the machine's:
// a page that was written is the kernel's.
type effects struct {
	path string
	mu   sync.Mutex
	file *os.File
}

func (e *effects) add(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		file, err := os.OpenFile(e.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("open effects: %w", err)
		}
		e.file = file
	}
	if _, err := fmt.Fprintf(e.file, "%q\n", id); err != nil {
		return fmt.Errorf("append effect: %w", err)
	}
	return nil
}

func (e *effects) copyTo(w io.Writer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	file, err := os.Open(e.path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read effects: %w", err)
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}
