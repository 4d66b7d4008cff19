package load

import (
	"context"
	"sync"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// flushEvery bounds how much of the history a killed runner loses.
const flushEvery = 100 * time.Millisecond

// sink is where a lane's users record. One buffer a lane and not one a user:
// at a low rate many users would each write blocks of one operation, and a
// user stuck in its operation could not flush. The lock is held for about 50
// ns an operation.
type sink struct {
	w *record.Writer

	mu     sync.Mutex
	buffer *record.Buffer
	err    error
	failed func(error) // called once, with the first error
}

func newSink(w *record.Writer) *sink { return &sink{w: w, buffer: w.Buffer()} }

// add records op. An error ends the run; see watch.
func (s *sink) add(op *record.Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(s.buffer.Append(op))
}

func (s *sink) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(s.buffer.Flush())
}

func (s *sink) event(e record.Event) {
	err := s.w.Event(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(err)
}

// fail ends the run with err.
func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(err)
}

// failure returns the first error.
func (s *sink) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// note keeps the first error; mu is held.
func (s *sink) note(err error) {
	if err == nil || s.err != nil {
		return
	}
	s.err = err
	if s.failed != nil {
		s.failed(err)
	}
}

// watch flushes the sink until ctx ends and calls failed when recording
// fails: a history with holes is worth less than an early end.
func (s *sink) watch(ctx context.Context, failed func(error)) {
	s.mu.Lock()
	s.failed = failed
	if s.err != nil {
		failed(s.err)
	}
	s.mu.Unlock()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.flush()
			return
		case <-tick.C:
			s.flush()
		}
	}
}

func (s *sink) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.buffer.Close(); s.err == nil {
		s.err = err
	}
	return s.err
}
