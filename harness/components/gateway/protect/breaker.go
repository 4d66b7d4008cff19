package protect

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// ErrOpen says that a circuit breaker lets nothing through: the attempt was
// not made, so it may be made elsewhere, whatever its method.
var ErrOpen = errors.New("circuit breaker is open")

// breakers are the circuit breakers of one route, one for each instance that
// was ever asked. Safe for concurrent use.
type breakers struct {
	config BreakerConfig
	route  string
	say    func(Event)

	mu     sync.Mutex
	byName map[string]*breaker
}

func newBreakers(route string, c BreakerConfig, say func(Event)) *breakers {
	return &breakers{config: c.filled(), route: route, say: say, byName: map[string]*breaker{}}
}

// of returns the breaker of an instance.
func (bs *breakers) of(instance string) *breaker {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b, ok := bs.byName[instance]
	if !ok {
		b = newBreaker(bs.config, func(from, to string) {
			bs.say(Event{Route: bs.route, Instance: instance, From: from, To: to})
		})
		bs.byName[instance] = b
	}
	return b
}

// keep forgets the breakers of instances that are not among those named, so
// that a pool whose members come and go does not grow for ever.
func (bs *breakers) keep(instances []string) {
	wanted := map[string]bool{}
	for _, name := range instances {
		wanted[name] = true
	}
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for name := range bs.byName {
		if !wanted[name] {
			delete(bs.byName, name)
		}
	}
}

func (bs *breakers) states() map[string]string {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	states := map[string]string{}
	for name, b := range bs.byName {
		states[name] = b.machine.State().String()
	}
	return states
}

// breaker is a circuit breaker of failsafe-go with an era: a result counts
// only in the state in which its attempt began. Otherwise the hundred requests
// that were stuck when the breaker opened would fail one by one into its first
// half-open moment, and keep it open though the instance is well again.
type breaker struct {
	machine circuitbreaker.CircuitBreaker[any]
	slow    time.Duration
	era     atomic.Uint64
}

func newBreaker(c BreakerConfig, changed func(from, to string)) *breaker {
	b := &breaker{slow: c.Slow.Std()}
	b.machine = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(c.Ratio, uint(c.Requests), c.Window.Std()).
		WithSuccessThreshold(uint(c.Probes)).
		WithDelay(c.Open.Std()).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			b.era.Add(1)
			changed(e.OldState.String(), e.NewState.String())
		}).
		Build()
	return b
}

// admits tells whether an attempt would be let through now, without taking a
// probe's place.
func (b *breaker) admits() bool {
	return !b.machine.IsOpen() || b.machine.RemainingDelay() == 0
}

// begin asks for an attempt.
func (b *breaker) begin() (*Attempt, error) {
	if !b.machine.TryAcquirePermit() {
		return nil, ErrOpen
	}
	return &Attempt{breaker: b, era: b.era.Load(), began: time.Now()}, nil
}

// Attempt is one try at one instance. Done must be called exactly once; more
// calls do nothing. A nil Attempt is one that nobody watches.
type Attempt struct {
	breaker *breaker
	era     uint64
	began   time.Time
	done    atomic.Bool
}

// Done says how the attempt ended: with the status of the instance's answer,
// or with an error and no answer. An answer of 500 and above is a failure, and
// so is every error but one: that the client went away says nothing about the
// instance. A probe whose client went away proves nothing either, and counts
// as failed, because the breaker waits for its result.
func (a *Attempt) Done(status int, err error) {
	if a == nil || !a.done.CompareAndSwap(false, true) || a.era != a.breaker.era.Load() {
		return
	}
	b := a.breaker
	gone := errors.Is(err, context.Canceled)
	switch {
	case gone && b.machine.IsClosed():
	case err != nil, status >= http.StatusInternalServerError, b.slow > 0 && time.Since(a.began) > b.slow:
		b.machine.RecordFailure()
	default:
		b.machine.RecordSuccess()
	}
}
