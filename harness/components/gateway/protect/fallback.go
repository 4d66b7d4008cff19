package protect

import (
	"maps"
	"net/http"
	"strconv"
)

// DegradedHeader marks an answer that is not the route's own. Its value is
// the status that it stands for, such as "503".
const DegradedHeader = "X-Hadrill-Degraded"

// replaceable tells whether an answer of this status is no answer: the route
// could not serve, and says so.
func replaceable(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// withFallback answers in place of next where that has no answer.
func (g *Guard) withFallback(next http.Handler) http.Handler {
	f := g.config.Fallback.filled()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		s := &substitute{ResponseWriter: w, before: maps.Clone(w.Header())}
		next.ServeHTTP(s, r)
		if s.replaced == 0 {
			return
		}
		g.degraded.Add(1)
		w.Header().Set(DegradedHeader, strconv.Itoa(s.replaced))
		w.Header().Set("Content-Type", f.Type)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Body)))
		w.WriteHeader(f.Status)
		if r.Method != http.MethodHead {
			_, _ = w.Write([]byte(f.Body)) // the client may be gone; that is its business
		}
	})
}

// substitute holds back an answer that the fallback replaces. What an answer
// of any other status writes goes straight through, flushes included.
type substitute struct {
	http.ResponseWriter
	before   http.Header // as they were before the handler
	wrote    bool
	replaced int // the status held back; 0 for none
}

// Unwrap lets http.ResponseController find the writer below.
func (s *substitute) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *substitute) WriteHeader(status int) {
	switch {
	case s.wrote:
		return
	case status < http.StatusOK && status != http.StatusSwitchingProtocols: // informational; more follow
		s.ResponseWriter.WriteHeader(status)
		return
	case replaceable(status):
		s.replaced = status
		clear(s.Header())
		maps.Copy(s.Header(), s.before)
	default:
		s.ResponseWriter.WriteHeader(status)
	}
	s.wrote = true
}

func (s *substitute) Write(p []byte) (int, error) {
	if !s.wrote {
		s.WriteHeader(http.StatusOK)
	}
	if s.replaced != 0 {
		return len(p), nil
	}
	return s.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, for what does not use ResponseController.
func (s *substitute) Flush() {
	if s.replaced == 0 {
		_ = http.NewResponseController(s.ResponseWriter).Flush() // a writer that cannot flush has nothing to
	}
}
