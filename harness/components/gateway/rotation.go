package gateway

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness/components/registry"
)

// sayPause is the least time between two lines on failed attempts at an instance.
const sayPause = 100 * time.Millisecond

// rotation is the instances of one route, and those of them that requests are
// sent to. An instance is in when nothing speaks against it:
//
//	registry  it is listed; leaves when it is not
//	health    the last active checks passed; a new one passes one first
//	outlier   not ejected for failures in a row
//
// With none in, requests are sent to all that are listed: when everything looks
// dead it is more likely that the one who looks is blind, and those requests
// would fail in any case. So is an empty list from the registry not believed
// while it still named someone before. Safe for concurrent use.
type rotation struct {
	route  Route
	choose balancer
	guard  protection
	say    func(string)
	secure *tls.Config // towards instances; nil: plain HTTP

	mu    sync.Mutex
	all   map[string]*instance
	known bool // a list was given, empty or not
	begun bool // it was ready once

	view atomic.Pointer[view]
}

// view is what choosing needs, never changed once published.
type view struct {
	all, in []*instance
	until   time.Time // when an ejection ends; zero: none is on
	warm    time.Time // when the last slow start ends
}

func newRotation(r Route, guard protection, say func(string)) *rotation {
	p := &rotation{route: r, choose: newBalancer(r.Balance), guard: guard, say: say, all: map[string]*instance{}}
	p.view.Store(&view{})
	return p
}

// list takes over what the registry says.
func (p *rotation) list(listed []registry.Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = true
	if len(listed) == 0 && len(p.all) > 0 {
		p.say(fmt.Sprintf("rotation: %s: the registry names nobody any more: keeps the last known instances", p.route.Name))
		return
	}
	now := time.Now()
	for _, i := range p.all {
		i.listed = false
	}
	var ids []string
	for _, i := range listed {
		ids = append(ids, i.ID)
		if old := p.all[i.ID]; old != nil && old.addr == i.Addr {
			old.listed = true
			continue
		}
		p.all[i.ID] = &instance{id: i.ID, addr: i.Addr, listed: true}
	}
	p.settle(now, "registry: no longer listed")
	for id, i := range p.all {
		if !i.listed {
			delete(p.all, id)
		}
	}
	p.publish(now)
	p.guard.Keep(ids)
}

// settle brings joined in line with everything else, for every instance, and
// publishes the new view. reason says why an instance leaves.
func (p *rotation) settle(now time.Time, reason string) {
	for _, i := range p.all {
		in := i.listed && (p.route.Health == nil || i.healthy) && !now.Before(i.until)
		switch {
		case in && i.joined.IsZero():
			i.joined = now
			p.say(fmt.Sprintf("rotation: %s joins %s", i.id, p.route.Name))
		case !in && !i.joined.IsZero():
			i.joined = time.Time{}
			p.say(fmt.Sprintf("rotation: %s leaves %s: %s", i.id, p.route.Name, reason))
		}
	}
	p.publish(now)
}

func (p *rotation) publish(now time.Time) {
	v := &view{}
	for _, i := range p.all {
		v.all = append(v.all, i)
		if !i.joined.IsZero() {
			v.in = append(v.in, i)
			if end := i.joined.Add(p.route.SlowStart.Std()); end.After(v.warm) {
				v.warm = end
			}
		} else if i.until.After(now) && (v.until.IsZero() || i.until.Before(v.until)) {
			v.until = i.until
		}
	}
	byID := func(a, b *instance) int { return strings.Compare(a.id, b.id) }
	slices.SortFunc(v.all, byID)
	slices.SortFunc(v.in, byID)
	p.view.Store(v)
}

// current is the view, after ejections that have ended.
func (p *rotation) current(now time.Time) *view {
	v := p.view.Load()
	if v.until.IsZero() || now.Before(v.until) {
		return v
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle(now, "")
	return p.view.Load()
}

// pick chooses an instance for an attempt, one that was not tried before if
// there is any; nil when the route has none at all.
func (p *rotation) pick(key uint64, tried []*instance) *instance {
	now := time.Now()
	v := p.current(now)
	var room [16]*instance
	candidates := room[:0]
	for _, from := range [][]*instance{v.in, v.all} {
		for _, i := range from {
			if !slices.Contains(tried, i) && p.guard.Admits(i.id) {
				candidates = append(candidates, i)
			}
		}
		if len(candidates) > 0 {
			return p.warm(now, v, candidates, key)
		}
	}
	if len(v.in) > 0 {
		return p.choose(v.in, key)
	}
	if len(v.all) > 0 {
		return p.choose(v.all, key)
	}
	return nil
}

// warm chooses, and lets a joining instance pass on what exceeds its share: a
// tenth at first, all after the slow start.
func (p *rotation) warm(now time.Time, v *view, candidates []*instance, key uint64) *instance {
	chosen := p.choose(candidates, key)
	if !now.Before(v.warm) || len(candidates) == 1 {
		return chosen
	}
	p.mu.Lock()
	age := now.Sub(chosen.joined)
	p.mu.Unlock()
	if share := max(0.1, age.Seconds()/p.route.SlowStart.Std().Seconds()); share < 1 && rand.Float64() >= share {
		others := slices.DeleteFunc(candidates, func(i *instance) bool { return i == chosen })
		if p.route.Balance == RoundRobin {
			// Its turn is over; another's is not to be used up for it.
			return twoChoices(others, key)
		}
		chosen = p.choose(others, key)
	}
	return chosen
}

// outcome takes note of how an attempt at an instance ended.
func (p *rotation) outcome(i *instance, took time.Duration, failure string) {
	now := time.Now()
	if failure != "" {
		i.failed.Add(1)
		took = max(took, p.route.Attempt.Std()) // who fails quickly must not look quick
	}
	i.latency.observe(now, took)
	i.moved.Store(now.UnixNano())
	o := p.route.Outlier
	if o == nil && failure == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if failure != "" {
		p.tell(now, i, failure)
	}
	if o == nil {
		return
	}
	if failure == "" {
		i.failures = 0
		if !now.Before(i.until.Add(o.Eject.Std())) {
			i.ejected = 0 // it has been good for a while
		}
		return
	}
	i.failures++
	if i.failures < o.Failures || i.joined.IsZero() || !p.mayEject(o.MaxShare) {
		return
	}
	i.until = now.Add(o.Eject.Std() << min(i.ejected, 3))
	i.ejected++
	// On its return one more failure is enough.
	i.failures = o.Failures - 1
	p.settle(now, fmt.Sprintf("outlier: %d failures in a row, the last: %s", o.Failures, failure))
}

// tell says that an attempt failed, and how many did since it was last said: a
// dead instance shows in the log for as long as it is sent requests.
func (p *rotation) tell(now time.Time, i *instance, failure string) {
	i.unsaid++
	if now.Sub(i.said) < sayPause {
		return
	}
	p.say(fmt.Sprintf("attempt: %s of %s failed: %s (%d since last said)", i.id, p.route.Name, failure, i.unsaid))
	i.said, i.unsaid = now, 0
}

// mayEject tells whether one more may be out.
func (p *rotation) mayEject(share float64) bool {
	out := 1
	for _, i := range p.all {
		if i.joined.IsZero() {
			out++
		}
	}
	return out <= max(1, int(share*float64(len(p.all))))
}

// probed takes note of an active check; failure is empty when it passed.
func (p *rotation) probed(i *instance, failure string) {
	h := p.route.Health
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !i.checked
	i.checked = true
	if (failure == "") == i.healthy {
		i.streak = 0
		return
	}
	i.streak++
	need := h.Fall
	if !i.healthy {
		need = h.Rise
	}
	if i.streak < need && !first {
		return
	}
	i.healthy, i.streak = failure == "", 0
	p.settle(time.Now(), "health: "+failure)
}

// ready tells whether the route has begun: a list was given, and every instance
// in it was asked once. What happens to instances later is no fault of the
// gateway's, and does not make it unready.
func (p *rotation) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun {
		return true
	}
	for _, i := range p.all {
		if p.route.Health != nil && !i.checked {
			return false
		}
	}
	p.begun = p.known
	return p.begun
}
