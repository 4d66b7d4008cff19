// Package service is a service of known capacity, to stand behind a gateway:
// a pool of workers that each serve one request at a time, and a dependency
// that some of its requests wait for.
//
//	request ─▶ queue, without end ─▶ worker: works, asks the dependency ─▶ answer
//	           in order of arrival   W of them, T a request
//
//	capacity = W / T requests a second, on any machine: a worker's work is to
//	wait, so what is measured is the system and not the processor.
//
// It has the two weaknesses that thread pools have in the field, and that
// protection in front of it must make up for. The queue has no end. And a
// worker does not look whether the client still waits: it does the whole work
// for nobody, so that a queue longer than the clients' patience makes the
// service busy without being of use. (Dean and Barroso, "The Tail at Scale",
// CACM 2013; Bronson et al., "Metastable Failures in Distributed Systems",
// HotOS 2021.)
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// Settings are those of a Service. Workers must be at least 1.
type Settings struct {
	Workers    int            // requests served at once
	Work       time.Duration  // how long each holds its worker
	Dependency netip.AddrPort // what dependent requests ask; invalid: there is none
	Timeout    time.Duration  // how long the dependency's answer is waited for
}

// Service serves. Safe for concurrent use; Close it.
type Service struct {
	settings Settings
	workers  chan struct{}
	client   *http.Client
	queued   atomic.Int64
}

// New returns a service.
func New(s Settings) (*Service, error) {
	switch {
	case s.Workers < 1:
		return nil, fmt.Errorf("workers %d: want at least 1", s.Workers)
	case s.Work < 0:
		return nil, fmt.Errorf("work %v: want a duration of at least 0", s.Work)
	case s.Dependency.IsValid() && s.Timeout <= 0:
		return nil, fmt.Errorf("time-out %v of the dependency: want more than 0", s.Timeout)
	}
	return &Service{
		settings: s, workers: make(chan struct{}, s.Workers),
		client: &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: s.Workers}},
	}, nil
}

// Close drops the connections to the dependency.
func (s *Service) Close() { s.client.CloseIdleConnections() }

// Busy returns how many requests have a worker and how many wait for one.
func (s *Service) Busy() (serving, queued int) { return len(s.workers), int(s.queued.Load()) }

// Serve takes a request's turn and does its work; with dependent it asks the
// dependency, too, and fails when that does not answer. It returns when the
// work is done, however long the queue was and whoever still waits for it.
func (s *Service) Serve(dependent bool) error {
	s.queued.Add(1)
	s.workers <- struct{}{} // waiters are served in order of arrival
	s.queued.Add(-1)
	defer func() { <-s.workers }()
	time.Sleep(s.settings.Work)
	if !dependent {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.Timeout)
	defer cancel()
	return s.Ask(ctx, "/")
}

// Ask asks the dependency for a path, in nobody's turn: health checks use it.
func (s *Service) Ask(ctx context.Context, path string) error {
	if !s.settings.Dependency.IsValid() {
		return errors.New("there is no dependency")
	}
	url := fmt.Sprintf("http://%s%s", s.settings.Dependency, path)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask dependency: %w", err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)); err != nil {
		return fmt.Errorf("ask dependency: read answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ask dependency: it answered %d", answer.StatusCode)
	}
	return nil
}
