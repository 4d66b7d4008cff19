package protect

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
)

// Priority says who is served first, and who is turned away last.
type Priority int

// The priorities, lowest first.
const (
	Low Priority = iota
	Normal
	High
	priorities
)

// PriorityHeader names a request's priority: "low", "normal" or "high"; every
// other value is normal. A gateway that strangers reach sets it itself.
const PriorityHeader = "X-Priority"

func (p Priority) String() string { return [...]string{"low", "normal", "high"}[p] }

// parsePriority reads the header's value.
func parsePriority(text string) Priority {
	for p := Low; p < priorities; p++ {
		if p.String() == text {
			return p
		}
	}
	return Normal
}

// gate is a limit with a bounded queue in front. Permits go to the highest
// priority that waits, and within it to who has waited longest; when the queue
// is full, the lowest priority leaves it, newest first. Safe for concurrent
// use.
//
//	arrivals ─▶ permit free, nobody waits ──▶ go
//	          └▶ queue ─ high   ■■           a freed permit takes
//	                     normal ■■■■■■       from the top, oldest first;
//	                     low    ■■■          an arrival that finds it full
//	                                         pushes the newest out below
type gate struct {
	limiter adaptivelimiter.AdaptiveLimiter[any]
	most    int // that wait
	wait    time.Duration

	mu      sync.Mutex
	waiting [priorities]list.List // of *waiter, oldest first
	length  int
	shed    [priorities]int64
}

// waiter is a request in the queue. Its verdict is sent once: a permit, or nil
// when it was pushed out.
type waiter struct {
	verdict chan adaptivelimiter.Permit
	place   *list.Element
}

func newGate(c LimitConfig) *gate {
	c = c.filled()
	limiter := adaptivelimiter.NewBuilder[any]().
		WithLimits(uint(c.Min), uint(c.Max), uint(c.Initial)).
		WithRecentWindow(c.Window.Std(), max(c.Window.Std(), 30*time.Second), uint(c.Samples)).
		// The baseline must outlive the overload that it is compared with. The
		// library's second signal, the correlation of concurrency with latency,
		// is off (a window of one correlates nothing): at steady overload it
		// swung the limit far below capacity and back, and goodput with it.
		WithBaselineWindow(500).
		WithCorrelationWindow(1).
		Build()
	return &gate{limiter: limiter, most: c.Queue, wait: c.Wait.Std()}
}

// enter returns a permit, or nil when the request is turned away: the queue
// was full, the wait too long, or ctx ended.
func (g *gate) enter(ctx context.Context, p Priority) adaptivelimiter.Permit {
	g.mu.Lock()
	if g.length == 0 {
		if permit, ok := g.limiter.TryAcquirePermit(); ok {
			g.mu.Unlock()
			return permit
		}
	}
	w := g.join(p)
	g.serve() // the limit may have risen since the last permit was freed
	g.mu.Unlock()
	if w == nil {
		return nil
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case permit := <-w.verdict:
		return permit
	case <-timer.C:
	case <-ctx.Done():
	}
	return g.leave(w, p)
}

// join puts a request into the queue, pushing another out if need be; mu is
// held. It returns nil when there is no room.
func (g *gate) join(p Priority) *waiter {
	if g.length >= g.most && !g.pushOut(p) {
		g.shed[p]++
		return nil
	}
	w := &waiter{verdict: make(chan adaptivelimiter.Permit, 1)}
	w.place = g.waiting[p].PushBack(w)
	g.length++
	return w
}

// pushOut turns away the newest of the lowest priority below p; mu is held.
func (g *gate) pushOut(p Priority) bool {
	for q := Low; q < p; q++ {
		if last := g.waiting[q].Back(); last != nil {
			g.waiting[q].Remove(last)
			g.length--
			g.shed[q]++
			last.Value.(*waiter).verdict <- nil
			return true
		}
	}
	return false
}

// leave takes a request that waited too long out of the queue. A verdict that
// came meanwhile stands.
func (g *gate) leave(w *waiter, p Priority) adaptivelimiter.Permit {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case permit := <-w.verdict:
		return permit
	default:
	}
	g.waiting[p].Remove(w.place)
	g.length--
	g.shed[p]++
	return nil
}

// exit gives a permit back, counting the time it was held unless the request
// was no measure of the server, and serves whoever waits.
func (g *gate) exit(permit adaptivelimiter.Permit, counts bool) {
	if counts {
		permit.Record()
	} else {
		permit.Drop()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serve()
}

// serve hands out free permits, the highest priority first; mu is held.
func (g *gate) serve() {
	for p := priorities - 1; p >= Low; p-- {
		for first := g.waiting[p].Front(); first != nil; first = g.waiting[p].Front() {
			permit, ok := g.limiter.TryAcquirePermit()
			if !ok {
				return
			}
			g.waiting[p].Remove(first)
			g.length--
			first.Value.(*waiter).verdict <- permit
		}
	}
}
