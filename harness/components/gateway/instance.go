package gateway

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// memory is how quickly a bad latency is forgiven: after this long without an
// answer an instance's estimate has fallen to a third, and after a few times
// this long the slowest is tried again.
const memory = time.Second

// instance is one process behind a route, as this route sees it.
type instance struct {
	id, addr string

	underway atomic.Int64 // requests
	sent     atomic.Int64 // attempts, ever
	failed   atomic.Int64 // those of them that failed
	lastSent atomic.Int64 // nanoseconds since the Unix epoch
	moved    atomic.Int64 // the same: when it last answered, or was asked while it had nothing to do
	latency  peak

	// Below: guarded by the rotation's mutex.
	listed   bool      // in the registry's last list
	checked  bool      // an active check has been answered or has failed
	healthy  bool      // as active checks say
	streak   int       // of checks that say otherwise
	failures int       // of attempts, in a row
	ejected  int       // ejections in a row
	until    time.Time // end of the ejection
	joined   time.Time // when it came into the rotation; zero: it is out
	said     time.Time // when a failed attempt was last told
	unsaid   int       // failed attempts since
}

// begin notes that a request is sent.
func (i *instance) begin(now time.Time) {
	i.sent.Add(1)
	i.lastSent.Store(now.UnixNano())
	if i.underway.Add(1) == 1 {
		i.moved.Store(now.UnixNano())
	}
}

// cost is what another request would meet: the expected latency, times those
// it would share it with. One that has requests and answers none of them is
// expected to take at least as long as it has been silent: that is known long
// before the first of them has timed out.
func (i *instance) cost(now time.Time) float64 {
	latency, underway := i.latency.at(now), i.underway.Load()
	if underway > 0 {
		latency = max(latency, float64(now.UnixNano()-i.moved.Load())/1e9)
	}
	return latency * float64(underway+1)
}

// peak is a moving estimate of latency that rises at once and falls slowly
// ("peak EWMA", as in Finagle): one slow answer is a warning to be heeded now,
// one quick answer proves little. It also falls while nothing is asked, so that
// a slow instance is tried again. Safe for concurrent use.
type peak struct {
	mu    sync.Mutex
	value float64 // seconds, as of at
	as    time.Time
}

// floor keeps load in the comparison before anything was measured.
const floor = 100e-6

func (p *peak) observe(now time.Time, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := p.decay(now)
	seconds := d.Seconds()
	if seconds > p.value {
		p.value = seconds
	} else {
		p.value = p.value*keep + seconds*(1-keep)
	}
	p.as = now
}

func (p *peak) at(now time.Time) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.value*p.decay(now), floor)
}

func (p *peak) decay(now time.Time) float64 {
	return math.Exp(-max(0, now.Sub(p.as).Seconds()) / memory.Seconds())
}
