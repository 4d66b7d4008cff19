package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// lane drives the users of one lane.
//
// Users take turns as the leader: the leader sleeps until the next operation
// is due, gives the lead up, and performs that operation itself. So nothing
// is handed from goroutine to goroutine between the due time and the start,
// and when all users are busy operations simply become late.
//
//	user 0  ──wait──lead zzz│ operation 0 ───────│──wait──lead│ 3
//	user 1  ──wait───────────lead zzz│ operation 1 ─────────│ ...
//	user 2  ──wait────────────────────lead zzz│ operation 2 ──│
//	                        └ due    └ due    └ due
type lane struct {
	counters
	spec      record.Lane
	number    uint8
	target    Target
	schedule  Schedule
	plan      func(n uint64, op *record.Op) // what operation n asks for
	timeout   time.Duration
	patience  time.Duration // how long an operation may wait for a user
	processes *atomic.Uint32
	users     []*user
	sink      *sink
	timer     *timer

	lead lead   // held by the leader; guards the fields below
	next uint64 // operation of the schedule
	base uint64 // operations of earlier runs
	over bool
}

// lead is a lock that is given to whoever has waited longest, so that all
// users and their connections stay in use, and whose giver keeps its
// processor: it has an operation to start. A sync.Mutex whose waiters have
// waited for a millisecond is fair too, but runs the next holder first.
type lead chan struct{}

func newLead() lead  { return make(lead, 1) }
func (l lead) take() { l <- struct{}{} }
func (l lead) give() { <-l }

// run offers load from start for d.
func (l *lane) run(ctx context.Context, start record.Time, d time.Duration) error {
	l.lead.take()
	l.next, l.over = 0, false
	l.lead.give()

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var background sync.WaitGroup
	flushing, stop := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { l.sink.watch(flushing, fail) })
	defer background.Wait()
	defer stop()

	var busy sync.WaitGroup
	for _, u := range l.users {
		busy.Go(func() {
			var op record.Op
			for u.state.Load() != abandoned && l.take(ctx, start, d, &op) {
				u.do(ctx, l, &op)
			}
		})
	}
	ended := make(chan struct{})
	go func() { busy.Wait(); close(ended) }()
	err := l.guard(ctx, ended, start.Add(d))

	l.lead.take()
	l.base += l.next
	l.lead.give()
	return errors.Join(l.sink.failure(), err)
}

// take waits for the next operation that is due and plans it into op. It
// reports false when there is none left.
func (l *lane) take(ctx context.Context, start record.Time, d time.Duration, op *record.Op) bool {
	l.lead.take()
	defer l.lead.give()
	for !l.over {
		at := l.schedule.At(l.next)
		if at >= d {
			l.over = true
			break
		}
		intended := start.Add(at)
		if err := l.timer.until(ctx, l.target.Clock, intended); err != nil {
			l.over = true
			if ctx.Err() == nil {
				l.sink.fail(fmt.Errorf("load %s: %w", l.spec.Name, err))
			}
			l.overdue(start, d) // what fell due while nobody was free
			break
		}
		l.claim(op, intended)
		if l.target.now().Sub(intended) <= l.patience {
			return true
		}
		l.notSent(op, NotSent)
	}
	return false
}

// claim plans the next operation; lead is held.
func (l *lane) claim(op *record.Op, intended record.Time) {
	*op = record.Op{Intended: intended, Lane: l.number}
	l.plan(l.base+l.next, op)
	l.next++
	l.intended.Add(1)
}

// overdue records what was due before the run was cut short; lead is held.
func (l *lane) overdue(start record.Time, d time.Duration) {
	for now := l.target.now(); ; {
		at := l.schedule.At(l.next)
		if at >= d || start.Add(at) > now {
			return
		}
		var op record.Op
		l.claim(&op, start.Add(at))
		l.notSent(&op, NotSentEnd)
	}
}

// guard waits until all users have ended. Those that outlive their deadline
// are disconnected, which ends a call that is stuck in its connection; those
// that outlive even that are recorded and given up.
func (l *lane) guard(ctx context.Context, ended <-chan struct{}, end record.Time) error {
	rest := time.NewTimer(end.Sub(l.target.now()) + l.patience + l.timeout + grace)
	defer rest.Stop()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		rest.Reset(grace)
		select {
		case <-ended:
			return nil
		case <-rest.C:
		}
	case <-rest.C:
	}
	stuck := 0
	for _, u := range l.users {
		if u.state.Load() == underWay {
			stuck++
			// A close that hangs as well must not hold the run.
			go func() { _ = u.client.Close() }()
		}
	}
	select {
	case <-ended:
	case <-time.After(grace):
		for _, u := range l.users {
			u.abandon(l)
		}
	}
	if stuck == 0 {
		return nil
	}
	return fmt.Errorf("load %s: %d of %d clients ignored their deadline of %s", l.spec.Name, stuck, len(l.users), l.timeout)
}

// close disconnects the users and ends the lane's recording.
func (l *lane) close() error {
	var errs []error
	for _, u := range l.users {
		if u.client != nil && u.state.Load() == idle {
			errs = append(errs, u.client.Close())
		}
	}
	if l.timer != nil {
		errs = append(errs, l.timer.Close())
	}
	return errors.Join(append(errs, l.sink.close())...)
}
