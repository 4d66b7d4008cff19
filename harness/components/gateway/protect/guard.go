package protect

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// ShedHeader marks a refusal of the limit: nothing of the request was done,
// it may be made again elsewhere or later. Its value is the priority that was
// turned away.
const ShedHeader = "X-Hadrill-Shed"

// Guard protects one route. Safe for concurrent use; it owns no goroutine and
// needs no closing.
type Guard struct {
	config   Config
	route    string
	breakers *breakers // nil: none
	gate     *gate     // nil: no limit
	budget   *budget   // nil: retries are not bounded

	degraded atomic.Int64
	refused  atomic.Int64
}

// New returns the guard of a route. say is told of every change of a breaker,
// from the request that brought it about; nil: nobody is.
func New(route string, c Config, say func(Event)) (*Guard, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("protect route %s: %w", route, err)
	}
	if say == nil {
		say = func(Event) {}
	}
	g := &Guard{config: c, route: route}
	if c.Breaker != nil {
		g.breakers = newBreakers(route, *c.Breaker, say)
	}
	if c.Limit != nil {
		g.gate = newGate(*c.Limit)
	}
	if c.Budget != nil {
		g.budget = newBudget(*c.Budget)
	}
	return g, nil
}

// Wrap returns the route's handler with limit and fallback around it.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	if g.gate != nil {
		next = g.withLimit(next)
	}
	if g.config.Fallback != nil {
		next = g.withFallback(next)
	}
	return next
}

// withLimit lets a request pass when it is its turn, and answers 503 when it
// is not to have one.
func (g *Guard) withLimit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := parsePriority(r.Header.Get(PriorityHeader))
		permit := g.gate.enter(r.Context(), p)
		if permit == nil {
			w.Header().Set(ShedHeader, p.String())
			w.Header().Set("Retry-After", "1")
			http.Error(w, "overloaded", http.StatusServiceUnavailable)
			return
		}
		s := &statusWriter{ResponseWriter: w}
		// Also when the handler panics, as a proxy does whose client hung up.
		defer func() { g.gate.exit(permit, measures(s.status, r)) }()
		next.ServeHTTP(s, r)
	})
}

// measures tells whether how long a request took says anything of the server:
// not when the client hung up, and not when it failed at once because a
// breaker was open or nobody listened. A time-out does: it is the latency, or
// at least that.
func measures(status int, r *http.Request) bool {
	if r.Context().Err() != nil {
		return false
	}
	return status > 0 && status < http.StatusInternalServerError || status == http.StatusGatewayTimeout
}

// Admits tells whether an attempt at an instance would be let through now. It
// takes nothing, so a balancer may ask for every instance.
func (g *Guard) Admits(instance string) bool {
	return g.breakers == nil || g.breakers.of(instance).admits()
}

// Attempt asks to try an instance. The error is ErrOpen; otherwise the caller
// makes the attempt and tells its end by Done.
func (g *Guard) Attempt(instance string) (*Attempt, error) {
	if g.breakers == nil {
		return nil, nil
	}
	a, err := g.breakers.of(instance).begin()
	if err != nil {
		g.refused.Add(1)
	}
	return a, err
}

// Keep forgets what is known of instances that are not among those named.
func (g *Guard) Keep(instances []string) {
	if g.breakers != nil {
		g.breakers.keep(instances)
	}
}

// First counts a request's first attempt: it earns its share of a retry.
func (g *Guard) First() {
	if g.budget != nil {
		g.budget.first()
	}
}

// Retry takes one retry out of the budget, and tells whether there was one.
func (g *Guard) Retry() bool { return g.budget == nil || g.budget.retry() }

// Stats is what a guard has done and where it stands.
type Stats struct {
	Breakers map[string]string // state by instance: "closed", "open", "half-open"
	Refused  int64             // attempts that an open breaker did not let through
	Limit    int               // requests that may be under way at once; 0: no limit
	InFlight int               // those that are
	Queued   int               // those that wait
	Shed     map[string]int64  // requests turned away, by priority
	Degraded int64             // fallback answers
	Denied   int64             // retries that the budget did not allow
}

// Stats returns the guard's figures, for metrics.
func (g *Guard) Stats() Stats {
	s := Stats{Refused: g.refused.Load(), Degraded: g.degraded.Load(), Breakers: map[string]string{}, Shed: map[string]int64{}}
	if g.breakers != nil {
		s.Breakers = g.breakers.states()
	}
	if g.gate != nil {
		s.Limit, s.InFlight = g.gate.limiter.Limit(), g.gate.limiter.Inflight()
		g.gate.mu.Lock()
		s.Queued = g.gate.length
		for p := Low; p < priorities; p++ {
			s.Shed[p.String()] = g.gate.shed[p]
		}
		g.gate.mu.Unlock()
	}
	if g.budget != nil {
		g.budget.mu.Lock()
		s.Denied = g.budget.denied
		g.budget.mu.Unlock()
	}
	return s
}

// statusWriter remembers an answer's status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap lets http.ResponseController find the writer below.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *statusWriter) WriteHeader(status int) {
	if s.status < http.StatusOK {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, for what does not use ResponseController.
func (s *statusWriter) Flush() {
	_ = http.NewResponseController(s.ResponseWriter).Flush() // a writer that cannot flush has nothing to
}
