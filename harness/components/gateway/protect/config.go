package protect

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Config says by what one route is protected. A missing part is switched off;
// the zero Config protects nothing. It is plain data, with the JSON names that
// a gateway's configuration uses.
type Config struct {
	Breaker  *BreakerConfig  `json:"breaker,omitempty"`
	Limit    *LimitConfig    `json:"limit,omitempty"`
	Budget   *BudgetConfig   `json:"retry_budget,omitempty"`
	Fallback *FallbackConfig `json:"fallback,omitempty"`
}

// BreakerConfig is a circuit breaker for each instance of a route.
//
//	          failures >= Ratio of at least
//	          Requests within Window
//	closed ──────────────────────────────▶ open
//	  ▲                                     │ Open passes
//	  │ Probes in a row                     ▼
//	  └──────────────────────────────── half-open ──▶ open
//	                                         a probe fails
type BreakerConfig struct {
	Window   Duration `json:"window,omitempty"`   // failures are counted over this long; default 1s
	Requests int      `json:"requests,omitempty"` // fewer in Window prove nothing; default 10
	Ratio    float64  `json:"ratio,omitempty"`    // share of failures that opens, 0..1; default 0.5
	Open     Duration `json:"open,omitempty"`     // how long nothing is let through; default 1s
	Probes   int      `json:"probes,omitempty"`   // successes in a row that close again; default 3
	Slow     Duration `json:"slow,omitempty"`     // an answer slower than this is a failure; default: none is
}

// LimitConfig bounds the requests of a route that are under way at once, by a
// limit that follows their latency, with a queue in front.
type LimitConfig struct {
	Min     int      `json:"min,omitempty"`     // the limit never falls below; default 1
	Max     int      `json:"max,omitempty"`     // nor rises above; default 200
	Initial int      `json:"initial,omitempty"` // where it begins; default 20, within Min and Max
	Window  Duration `json:"window,omitempty"`  // least time between two adjustments; default 1s
	Samples int      `json:"samples,omitempty"` // fewest answers an adjustment needs; default 50
	Queue   int      `json:"queue,omitempty"`   // most that wait for their turn; default 0: none waits
	Wait    Duration `json:"wait,omitempty"`    // longest wait; default 100ms
}

// BudgetConfig bounds retries by the requests that were made: in any stretch
// of n first attempts and t seconds there are at most
//
//	Burst + Ratio·n + PerSecond·t   retries.
type BudgetConfig struct {
	Ratio     float64 `json:"ratio,omitempty"`      // retries for each first attempt; default 0.1
	PerSecond float64 `json:"per_second,omitempty"` // and for each second, so that a quiet route may retry, too; default 0
	Burst     float64 `json:"burst,omitempty"`      // most that are saved up, at least 1; default 10
}

// FallbackConfig is the answer given where the route has none. Only GET and
// HEAD get it: a write that was not made must not be said to have been.
type FallbackConfig struct {
	Status int    `json:"status,omitempty"` // default 200
	Type   string `json:"type,omitempty"`   // media type; default text/plain
	Body   string `json:"body"`
}

// Duration is a time.Duration that JSON writes as text: "250ms".
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf(`duration %s: want text such as "250ms"`, text)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf(`duration %q: want one such as "250ms"`, s)
	}
	*d = Duration(parsed)
	return nil
}

// Check reports everything that is wrong, each with its key.
func (c Config) Check() error {
	var errs []error
	want := func(ok bool, key, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: want %s", key, what))
		}
	}
	if b := c.Breaker; b != nil {
		want(b.Window >= 0, "breaker.window", "a duration of at least 0")
		want(b.Open >= 0, "breaker.open", "a duration of at least 0")
		want(b.Slow >= 0, "breaker.slow", "a duration of at least 0")
		want(b.Requests >= 0, "breaker.requests", "a number of at least 0")
		want(b.Probes >= 0, "breaker.probes", "a number of at least 0")
		want(b.Ratio >= 0 && b.Ratio <= 1, "breaker.ratio", "a share from 0 to 1")
	}
	if l := c.Limit; l != nil {
		f := l.filled()
		want(l.Min >= 0 && l.Max >= 0 && l.Initial >= 0 && f.Min <= f.Max, "limit.min", "0 <= min <= max")
		want(f.Min <= f.Initial && f.Initial <= f.Max, "limit.initial", "a number from min to max")
		want(l.Window >= 0, "limit.window", "a duration of at least 0")
		want(l.Wait >= 0, "limit.wait", "a duration of at least 0")
		want(l.Samples >= 0, "limit.samples", "a number of at least 0")
		want(l.Queue >= 0, "limit.queue", "a number of at least 0")
	}
	if b := c.Budget; b != nil {
		want(b.Ratio >= 0, "retry_budget.ratio", "a number of at least 0")
		want(b.PerSecond >= 0, "retry_budget.per_second", "a number of at least 0")
		want(b.Burst == 0 || b.Burst >= 1, "retry_budget.burst", "a number of at least 1")
	}
	if f := c.Fallback; f != nil {
		want(f.Status == 0 || f.Status >= 200 && f.Status < 400, "fallback.status", "a status from 200 to 399")
	}
	return errors.Join(errs...)
}

// or returns v, or otherwise when v is zero.
func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (b BreakerConfig) filled() BreakerConfig {
	b.Window = or(b.Window, Duration(time.Second))
	b.Requests = or(b.Requests, 10)
	b.Ratio = or(b.Ratio, 0.5)
	b.Open = or(b.Open, Duration(time.Second))
	b.Probes = or(b.Probes, 3)
	return b
}

func (l LimitConfig) filled() LimitConfig {
	l.Min = or(l.Min, 1)
	l.Max = or(l.Max, 200)
	l.Initial = or(l.Initial, min(max(20, l.Min), l.Max))
	l.Window = or(l.Window, Duration(time.Second))
	l.Samples = or(l.Samples, 50)
	l.Wait = or(l.Wait, Duration(100*time.Millisecond))
	return l
}

func (b BudgetConfig) filled() BudgetConfig {
	b.Ratio = or(b.Ratio, 0.1)
	b.Burst = or(b.Burst, 10)
	return b
}

func (f FallbackConfig) filled() FallbackConfig {
	f.Status = or(f.Status, http.StatusOK)
	f.Type = or(f.Type, "text/plain")
	return f
}
