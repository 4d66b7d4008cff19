package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Schedule says when operations are due. At must not decrease with n.
// Schedules are safe for concurrent use.
type Schedule interface {
	// At returns when operation n (from 0) is due, from the start of load;
	// Forever when it never is.
	At(n uint64) time.Duration
	// Rate returns the mean rate in operations a second.
	Rate() float64
	// String describes the schedule in canonical form.
	String() string
}

// Forever is the due time of an operation that a schedule does not have.
const Forever = time.Duration(math.MaxInt64)

// seconds converts s to a Duration, Forever where it does not fit.
func seconds(s float64) time.Duration {
	if !(s < math.MaxInt64/1e9) {
		return Forever
	}
	return time.Duration(math.Round(s * 1e9))
}

// Constant is a steady rate in operations a second.
//
//	rate ┤────────────────
//	     └─────────────── t
type Constant float64

// At implements Schedule. Whole seconds are counted apart, so that the error
// of a rate like 3/s does not grow with n.
func (c Constant) At(n uint64) time.Duration {
	if c <= 0 {
		return Forever
	}
	if r := uint64(c); float64(r) == float64(c) && n/r < uint64(Forever/time.Second) {
		return time.Duration(n/r)*time.Second + time.Duration(n%r*1e9/r)
	}
	return seconds(float64(n) / float64(c))
}

// Rate implements Schedule.
func (c Constant) Rate() float64 { return float64(c) }

func (c Constant) String() string { return fmt.Sprintf("constant(%g/s)", float64(c)) }

// Ramp goes from one rate to another in a straight line and stays there.
//
//	  To ┤      ┌─────────
//	     │   ／
//	From ┤／
//	     └──────┴──────── t
//	           Over
type Ramp struct {
	From, To float64
	Over     time.Duration
}

// At implements Schedule: the inverse of N(t) = From·t + (To-From)·t²/(2·Over).
func (r Ramp) At(n uint64) time.Duration {
	if n == 0 && r.From+r.To > 0 {
		return 0
	}
	over, k := r.Over.Seconds(), float64(n)
	if atTop := (r.From + r.To) / 2 * over; k >= atTop {
		if r.To <= 0 {
			return Forever
		}
		return seconds(over + (k-atTop)/r.To)
	}
	if r.From == r.To {
		return seconds(k / r.From)
	}
	slope := (r.To - r.From) / over
	// The stable form of the quadratic formula: no difference of near equals.
	return seconds(2 * k / (r.From + math.Sqrt(max(0, r.From*r.From+2*slope*k))))
}

// Rate implements Schedule: the mean over the ramp.
func (r Ramp) Rate() float64 { return (r.From + r.To) / 2 }

func (r Ramp) String() string { return fmt.Sprintf("ramp(%g..%g/s over %s)", r.From, r.To, r.Over) }

// Burst is a base rate with a burst at the end of every period.
//
//	Peak ┤       ┌──┐       ┌──┐
//	Base ┤───────┘  └───────┘  └─
//	     └───────┴──┴─────────── t
//	             Length  = the last part of Every
type Burst struct {
	Base, Peak    float64
	Every, Length time.Duration
}

// At implements Schedule.
func (b Burst) At(n uint64) time.Duration {
	calm, loud := (b.Every - b.Length).Seconds(), b.Length.Seconds()
	each := b.Base*calm + b.Peak*loud
	if !(each > 0) {
		return Forever
	}
	period := math.Floor(float64(n) / each)
	rest := float64(n) - period*each
	at := period * b.Every.Seconds()
	if inCalm := b.Base * calm; rest >= inCalm && b.Peak > 0 {
		return seconds(at + calm + (rest-inCalm)/b.Peak)
	}
	return seconds(at + rest/b.Base)
}

// Rate implements Schedule.
func (b Burst) Rate() float64 {
	if b.Every <= 0 {
		return 0
	}
	return (b.Base*(b.Every-b.Length).Seconds() + b.Peak*b.Length.Seconds()) / b.Every.Seconds()
}

func (b Burst) String() string {
	return fmt.Sprintf("burst(%g/s, %g/s for %s of every %s)", b.Base, b.Peak, b.Length, b.Every)
}

// Surge is a base rate with one stretch of another.
//
//	Peak ┤      ┌──────┐
//	Base ┤──────┘      └───────
//	     └──────┴──────┴─────── t
//	          From   From+Length
type Surge struct {
	Base, Peak   float64
	From, Length time.Duration
}

// At implements Schedule.
func (s Surge) At(n uint64) time.Duration {
	before, inside := s.Base*s.From.Seconds(), s.Peak*s.Length.Seconds()
	k := float64(n)
	switch {
	case k < before:
		return seconds(k / s.Base)
	case k < before+inside:
		return seconds(s.From.Seconds() + (k-before)/s.Peak)
	case s.Base > 0:
		return seconds((s.From + s.Length).Seconds() + (k-before-inside)/s.Base)
	}
	return Forever
}

// Rate implements Schedule: the larger of the two, so that users suffice.
func (s Surge) Rate() float64 { return max(s.Base, s.Peak) }

func (s Surge) String() string {
	return fmt.Sprintf("surge(%g/s, %g/s from %s for %s)", s.Base, s.Peak, s.From, s.Length)
}

// Poisson returns arrivals of independent users: exponentially distributed
// gaps with the given mean rate, the same for the same seed.
func Poisson(rate float64, seed uint64) Schedule {
	return &poisson{rate: rate, seed: seed, starts: []float64{0}}
}

// poissonBlock is how many gaps share one generator; the sums in front of
// each block are kept, so any n is found without summing from 0.
const poissonBlock = 1024

type poisson struct {
	rate float64
	seed uint64

	mu     sync.Mutex
	starts []float64 // due second of the first operation of each block
	block  int       // of times; valid when times is not nil
	times  []float64
}

func (p *poisson) At(n uint64) time.Duration {
	if p.rate <= 0 {
		return Forever
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	want := int(n / poissonBlock)
	for len(p.starts) <= want {
		p.load(len(p.starts) - 1)
		p.starts = append(p.starts, p.times[poissonBlock])
	}
	p.load(want)
	return seconds(p.times[n%poissonBlock])
}

// load computes the due times of a block and of the operation behind it.
func (p *poisson) load(block int) {
	if p.times != nil && p.block == block {
		return
	}
	if p.times == nil {
		p.times = make([]float64, poissonBlock+1)
	}
	random := rand.New(rand.NewPCG(p.seed, uint64(block)))
	at := p.starts[block]
	for i := range p.times {
		p.times[i] = at
		at += random.ExpFloat64() / p.rate
	}
	p.block = block
}

func (p *poisson) Rate() float64 { return p.rate }

func (p *poisson) String() string { return fmt.Sprintf("poisson(%g/s, seed %d)", p.rate, p.seed) }

// Replay is due at the given times, for example of recorded traffic, and then
// never again. The times must not decrease.
type Replay []time.Duration

// ReplayFile reads a Replay: one time a line, in seconds since the start of
// load; empty lines and those that begin with # are skipped.
func ReplayFile(path string) (Replay, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read schedule: %w", err)
	}
	var r Replay
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := strconv.ParseFloat(line, 64)
		if err != nil || !(s >= 0) {
			return nil, fmt.Errorf("read schedule %s: line %d: %q is not a time in seconds", path, i+1, line)
		}
		at := seconds(s)
		if len(r) > 0 && at < r[len(r)-1] {
			return nil, fmt.Errorf("read schedule %s: line %d: %s comes before the line above", path, i+1, at)
		}
		r = append(r, at)
	}
	return r, nil
}

// At implements Schedule.
func (r Replay) At(n uint64) time.Duration {
	if n >= uint64(len(r)) {
		return Forever
	}
	return r[n]
}

// Rate implements Schedule.
func (r Replay) Rate() float64 {
	if len(r) < 2 || r[len(r)-1] <= 0 {
		return 0
	}
	return float64(len(r)) / r[len(r)-1].Seconds()
}

func (r Replay) String() string {
	h := uint64(len(r))
	for _, at := range r {
		h = mix(h, uint64(at))
	}
	return fmt.Sprintf("replay(%d operations, %016x)", len(r), h)
}

// shared is every k-th operation of a schedule: what one of several lanes
// takes when they share a rate.
type shared struct {
	of       Schedule
	from, by uint64
}

func (s shared) At(n uint64) time.Duration { return s.of.At(s.from + n*s.by) }
func (s shared) Rate() float64             { return s.of.Rate() / float64(s.by) }
func (s shared) String() string            { return s.of.String() }

// mix is a hash of seed and n (SplitMix64; Steele, Lea, Flood, OOPSLA 2014):
// what operation n does is a function of the seed and of n alone, not of the
// order in which users came by.
func mix(seed, n uint64) uint64 {
	z := seed + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
