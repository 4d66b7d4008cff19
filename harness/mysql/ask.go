package mysql

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// questionLimit bounds a question beyond the patience of whoever asked it.
const questionLimit = time.Second

// question is asked of one server again and again, by people of little
// patience. One that is not answered in time goes on for a while instead of
// being broken off: breaking off costs the connection, connecting anew takes
// longer than the patience on a busy machine, and then no question would ever
// be answered. Whoever asks next waits for the same answer. It is no older than
// its coming: a server that was frozen answers when it thaws.
type question[T any] struct {
	ask func(context.Context) (T, error)

	mu      sync.Mutex
	pending *pending[T]
	work    sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
}

type pending[T any] struct {
	done   chan struct{}
	answer T
	err    error
}

func newQuestion[T any](ask func(context.Context) (T, error)) *question[T] {
	q := &question[T]{ask: ask}
	q.life, q.end = context.WithCancel(context.Background())
	return q
}

// answer waits for an answer until ctx ends.
func (q *question[T]) answer(ctx context.Context) (answer T, err error) {
	q.mu.Lock()
	p := q.pending
	if p == nil {
		p = &pending[T]{done: make(chan struct{})}
		q.pending = p
		q.work.Go(func() { q.pursue(p) })
	}
	q.mu.Unlock()
	select {
	case <-p.done:
		return p.answer, p.err
	case <-ctx.Done():
		return answer, fmt.Errorf("no answer yet: %w", ctx.Err())
	}
}

func (q *question[T]) pursue(p *pending[T]) {
	ctx, cancel := context.WithTimeout(q.life, questionLimit)
	defer cancel()
	p.answer, p.err = q.ask(ctx)
	q.mu.Lock()
	q.pending = nil
	q.mu.Unlock()
	close(p.done)
}

// stop breaks off what is under way and waits for its end.
func (q *question[T]) stop() {
	q.end()
	q.work.Wait()
}
