package components

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hadrill/hadrill/harness/components/service"
)

const (
	keyWorkers    = "HADRILL_WORKERS"
	keyDependency = "HADRILL_DEPENDENCY"
	keyAskLimit   = "HADRILL_DEPENDENCY_TIMEOUT"
	keyLiveness   = "HADRILL_LIVENESS"
	keyReadiness  = "HADRILL_READINESS"

	healthOfItself     = "self"
	healthOfDependency = "dependency"

	// healthLimit bounds a health check's question to the dependency.
	healthLimit = 200 * time.Millisecond
)

var _ = register("service", runService)

// runService is a service of known capacity; see package service. Settings:
//
//	HADRILL_WORKERS             requests served at once, default 8
//	HADRILL_WORK                how long each holds its worker, default 0
//	HADRILL_DEPENDENCY          IP:port of what dependent requests ask; default: nothing
//	HADRILL_DEPENDENCY_TIMEOUT  how long its answer is waited for, default 1s
//	HADRILL_LIVENESS            "self", or "dependency": not alive without it
//	HADRILL_READINESS           "self", or "dependency": not ready without it
//
// Routes beside those of every component:
//
//	GET /           works, answers "ok NODE"
//	GET /dependent  works and asks the dependency; 502 when that fails
//	GET /busy       "SERVING QUEUED"
func runService(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	settings := service.Settings{
		Workers: s.Number(keyWorkers, 8), Work: s.Duration(keyWork, 0),
		Dependency: s.Address(keyDependency), Timeout: s.Duration(keyAskLimit, time.Second),
	}
	liveness := s.Choice(keyLiveness, healthOfItself, healthOfDependency)
	readiness := s.Choice(keyReadiness, healthOfItself, healthOfDependency)
	if settings.Workers < 1 {
		s.fail(keyWorkers, "0", "at least 1")
	}
	if err := s.Check(); err != nil {
		return err
	}
	pool, err := service.New(settings)
	if err != nil {
		return err
	}
	defer pool.Close()
	asks := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, healthLimit)
		defer cancel()
		return pool.Ask(ctx, "/live")
	}
	if liveness == healthOfDependency {
		srv.alive = asks
	}
	if readiness == healthOfDependency {
		srv.prepared = asks
	}
	serve := func(dependent bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if err := pool.Serve(dependent); err != nil {
				srv.answer(w, http.StatusBadGateway, err.Error())
				return
			}
			srv.answer(w, http.StatusOK, "ok "+srv.node)
		}
	}
	srv.handle("GET /", serve(false))
	srv.handle("GET /dependent", serve(true))
	srv.mux.HandleFunc("GET /busy", func(w http.ResponseWriter, _ *http.Request) {
		serving, queued := pool.Busy()
		srv.answer(w, http.StatusOK, fmt.Sprint(serving, " ", queued))
	})
	return srv.serve(ctx)
}
