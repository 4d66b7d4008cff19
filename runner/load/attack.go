package load

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/hadrill/hadrill/runner/record"
)

// httpLane drives one lane of HTTP through vegeta.
//
// Vegeta stamps a request when it is sent and, when all its workers are busy,
// sends later: the outage would hide in the gaps between the stamps. So the
// lane is vegeta's pacer, and the intended time of a request is the
// schedule's for its sequence number. A request whose patience is over by the
// time a worker takes it is answered inside the generator, as not sent; what
// vegeta never got to is recorded at the end.
//
//	Schedule ─▶ Pace ─▶ vegeta's workers ─▶ RoundTrip (one try) ─▶ server
//	              (sleeps to the due time)      │ attempt{class, outcome}
//	                                            ▼
//	                       Result{Seq, Timestamp, Latency} ─▶ record.Op
type httpLane struct {
	counters
	spec      record.Lane
	number    uint8
	target    Target
	request   vegeta.Target
	safe      bool // the method changes nothing, so a failed request has failed
	degraded  string
	token     func() string // value of the Authorization header now; "" for none
	schedule  Schedule
	clients   int
	timeout   time.Duration
	transport *transport
	sink      *sink
	timer     *timer
	processes *atomic.Uint32

	mu       sync.Mutex
	attempts map[uint64]*attempt // under way, by sequence number
	free     []uint32            // processes without an operation under way
}

// attempt is what the transport saw of one request.
type attempt struct {
	process uint32
	start   record.Time
	class   string // "" while nothing failed
	unsent  bool   // nothing of it left the machine
}

// attack is one run of a lane.
type attack struct {
	*httpLane
	ctx   context.Context
	start record.Time
	d     time.Duration
}

// run offers load from start for d.
func (l *httpLane) run(ctx context.Context, start record.Time, d time.Duration) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var background sync.WaitGroup
	flushing, stop := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { l.sink.watch(flushing, fail) })
	defer background.Wait()
	defer stop()

	l.mu.Lock()
	l.attempts = map[uint64]*attempt{}
	l.mu.Unlock()
	a := &attack{httpLane: l, ctx: ctx, start: start, d: d}
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     a,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(uint64(min(l.clients, 8))), vegeta.MaxWorkers(uint64(l.clients)), vegeta.MaxBody(0))
	// A worker that waits for the due time of nothing, because all are busy,
	// is woken by the attacker's own stop.
	interrupted := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer interrupted()

	wall, run := time.Now(), l.target.now()
	sent := uint64(0)
	for r := range attacker.Attack(l.targeter, a, 0, "") {
		sent = max(sent, r.Seq+1)
		a.record(r, run.Add(r.Timestamp.Sub(wall)))
	}
	a.rest(sent)
	if err := l.sink.failure(); err != nil {
		return err
	}
	return nil
}

// Pace implements vegeta.Pacer: it sleeps to the due time itself, with a
// timer better than time.Sleep, and tells vegeta to go at once.
func (a *attack) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	at := a.schedule.At(hits)
	if at >= a.d {
		return 0, true
	}
	if err := a.timer.until(a.ctx, a.target.Clock, a.start.Add(at)); err != nil {
		if a.ctx.Err() == nil {
			a.sink.fail(fmt.Errorf("load %s: %w", a.spec.Name, err))
		}
		return 0, true
	}
	return 0, false
}

// Rate implements vegeta.Pacer.
func (a *attack) Rate(time.Duration) float64 { return a.schedule.Rate() }

// record turns a result into an operation.
func (a *attack) record(r *vegeta.Result, began record.Time) {
	op := record.Op{
		Intended: a.start.Add(a.schedule.At(r.Seq)), End: began.Add(r.Latency),
		Lane: a.number, Function: record.Request, Outcome: record.Ok,
	}
	a.mu.Lock()
	seen := a.attempts[r.Seq]
	delete(a.attempts, r.Seq)
	a.mu.Unlock()
	switch {
	case seen == nil: // never reached the transport
		seen = &attempt{process: a.process(), start: began.Add(r.Latency), class: GeneratorPrefix + r.Error, unsent: true}
	case seen.class != "":
	case r.Code < 200 || r.Code >= 400:
		seen.class = "http " + strconv.Itoa(int(r.Code))
		// A client error was refused; a server or a proxy that failed may
		// have done it first.
		seen.unsent = r.Code < 500
	case a.degraded != "" && r.Headers.Get(a.degraded) != "":
		op.Outcome = record.Degraded
	}
	if seen.class != "" {
		op.Outcome = record.Info
		if seen.unsent || a.safe {
			op.Outcome = record.Fail
		}
		op.Error = a.target.Recorder.ErrorClass(seen.class)
	}
	op.Process, op.Start = seen.process, seen.start
	if op.Outcome != record.Info {
		a.release(seen.process)
	}
	a.intended.Add(1)
	a.count(op.Outcome)
	a.sink.add(&op)
}

// rest records what fell due and was never handed to a worker.
func (a *attack) rest(from uint64) {
	now := a.target.now()
	process := a.process()
	defer a.release(process)
	for n := from; ; n++ {
		at := a.schedule.At(n)
		if intended := a.start.Add(at); at < a.d && intended <= now {
			op := record.Op{Intended: intended, Start: now, End: now, Lane: a.number, Process: process, Function: record.Request,
				Outcome: record.Fail, Error: a.target.Recorder.ErrorClass(NotSentEnd)}
			a.intended.Add(1)
			a.count(op.Outcome)
			a.sink.add(&op)
			continue
		}
		return
	}
}

// process returns a process without an operation under way.
func (l *httpLane) process() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		p := l.free[n-1]
		l.free = l.free[:n-1]
		return p
	}
	return l.processes.Add(1) - 1
}

// release gives a process back; one with an unknown outcome never is.
func (l *httpLane) release(p uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, p)
}
