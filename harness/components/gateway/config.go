package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	"github.com/hadrill/hadrill/harness/components/registry"
)

// Duration is a time.Duration that JSON writes as text: "250ms".
type Duration = protect.Duration

// The ways to choose among instances.
const (
	RoundRobin     = "round-robin"     // each in its turn
	LeastLoaded    = "least-loaded"    // the one with the fewest requests under way
	TwoChoices     = "two-choices"     // of two at random, the one with less latency times load
	ConsistentHash = "consistent-hash" // the same for the same key, see Route.HashHeader
)

// Defaults of ports.
const (
	DefaultPort      = 8080 // requests
	DefaultAdminPort = 8081 // /live /ready /metrics /pool
)

// Config is what a gateway does. Plain data; the zero value of a field means
// its default. JSON keys are those of HADRILL_ROUTES for the routes and are not
// used for the rest, which has one variable a field (see package doc).
type Config struct {
	Node      string          // the gateway's name, in answers of its own
	Port      int             // default DefaultPort
	AdminPort int             // default DefaultAdminPort
	Routes    []Route         // at least one
	Registry  registry.Config // no Endpoints: every route lists its instances
	Cache     string          // file that keeps the last known instances; "": none
	Drain     time.Duration   // after /ready says 503, before new connections are refused
	TLS       TLS             // towards clients; zero: plain HTTP
	Upstream  Upstream        // towards instances; zero: plain HTTP
	Trace     float64         // share of requests whose spans are written, 0..1
	TraceTo   io.Writer       // JSON, a line a span; nil: nowhere
}

// TLS are the files of a certificate and its key, PEM.
type TLS struct {
	Cert, Key string
}

// Upstream is mutual TLS between gateway and instances: the certificate and key
// that the gateway shows, looked at again while it runs, and the authorities
// whose instances it trusts. PEM files.
type Upstream struct {
	Cert, Key, Roots string
}

// Route sends the requests under a path to the instances of a service.
type Route struct {
	Name string `json:"name"`           // unique; in metrics and logs
	Path string `json:"path,omitempty"` // prefix of the path; the longest that fits wins; default "/"

	// Where its instances are: a service in the registry, or a list.
	Service   string              `json:"service,omitempty"`
	Instances []registry.Instance `json:"instances,omitempty"`

	Balance    string `json:"balance,omitempty"`     // default two-choices
	HashHeader string `json:"hash_header,omitempty"` // request header that is hashed; default: the client's IP

	// Timeout bounds a request from its arrival to the end of its answer; the
	// client's own X-Deadline-Ms may shorten it. Attempt bounds one attempt up
	// to the answer's header, Connect its connection.
	Timeout  Duration `json:"timeout,omitempty"`  // default 1s
	Attempt  Duration `json:"attempt,omitempty"`  // default: the whole timeout
	Connect  Duration `json:"connect,omitempty"`  // default 250ms
	Attempts int      `json:"attempts,omitempty"` // most, the first included; default 3; 1: no retries

	Health  *Health  `json:"health,omitempty"`  // missing: no active checks
	Outlier *Outlier `json:"outlier,omitempty"` // missing: no passive ejection

	// SlowStart is how long a joining instance takes to grow from a tenth to
	// its full share; 0: at once.
	SlowStart Duration `json:"slow_start,omitempty"`

	protect.Config // "breaker", "limit", "retry_budget", "fallback"
}

// Health is the active check: the gateway asks each instance.
type Health struct {
	Path     string   `json:"path,omitempty"`     // default "/ready"; 200 is healthy
	Interval Duration `json:"interval,omitempty"` // default 100ms
	Timeout  Duration `json:"timeout,omitempty"`  // default: the interval
	Fall     int      `json:"fall,omitempty"`     // failures in a row that take it out; default 2
	Rise     int      `json:"rise,omitempty"`     // successes in a row that bring it back; default 2
}

// Outlier is the passive check: real requests tell. A failure is an attempt
// without an answer in time, or one answered 502, 503 or 504.
type Outlier struct {
	Failures int      `json:"failures,omitempty"` // in a row, that eject; default 3
	Eject    Duration `json:"eject,omitempty"`    // first ejection; doubles with each that follows, up to eightfold; default 1s
	MaxShare float64  `json:"max_share,omitempty"`
	// MaxShare is the largest share of a pool that may be ejected at once, at
	// least one instance; default 0.5. When most fail, the fault is elsewhere.
}

// ParseRoutes reads the JSON of HADRILL_ROUTES. Unknown keys are refused. An
// error says what is wanted.
func ParseRoutes(text string) ([]Route, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var routes []Route
	if err := decoder.Decode(&routes); err != nil {
		return nil, fmt.Errorf("a JSON list of routes: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("one JSON list of routes and nothing behind it")
	}
	return routes, nil
}

// FormatRoutes is the text that ParseRoutes reads.
func FormatRoutes(routes []Route) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(routes); err != nil {
		return "", fmt.Errorf("encode routes: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// Check reports everything that is wrong, one line each, with its key.
func (c Config) Check() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Routes) == 0 {
		refuse("HADRILL_ROUTES: want at least one route")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		refuse("HADRILL_TLS_CERT, HADRILL_TLS_KEY: want both or none")
	}
	if u := c.Upstream; u != (Upstream{}) && (u.Cert == "" || u.Key == "" || u.Roots == "") {
		refuse("HADRILL_UPSTREAM_CERT, HADRILL_UPSTREAM_KEY, HADRILL_UPSTREAM_ROOTS: want all or none")
	}
	if !(c.Trace >= 0 && c.Trace <= 1) {
		refuse("HADRILL_TRACE: want a share from 0 to 1")
	}
	if c.Drain < 0 {
		refuse("HADRILL_DRAIN: want a duration of at least 0")
	}
	names, paths := map[string]bool{}, map[string]bool{}
	for i, r := range c.Routes {
		key := fmt.Sprintf("HADRILL_ROUTES: route %d", i+1)
		if r.Name != "" {
			key = fmt.Sprintf("HADRILL_ROUTES: route %s", r.Name)
		}
		r = r.filled()
		if r.Name == "" || names[r.Name] {
			refuse("%s: name: want one that no other route has", key)
		}
		if !strings.HasPrefix(r.Path, "/") || paths[r.Path] {
			refuse("%s: path %q: want one that begins with / and that no other route has", key, r.Path)
		}
		names[r.Name], paths[r.Path] = true, true
		for _, err := range r.check(len(c.Registry.Endpoints) > 0) {
			refuse("%s: %w", key, err)
		}
	}
	return errors.Join(errs...)
}

func (r Route) check(registry bool) (errs []error) {
	want := func(ok bool, key, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: want %s", key, what))
		}
	}
	want((r.Service == "") != (len(r.Instances) == 0), "service, instances", "one of the two")
	want(r.Service == "" || registry, "service", "HADRILL_REGISTRY to be set")
	want(!strings.Contains(r.Service, "/"), "service", "a name without /")
	ids := map[string]bool{}
	for _, i := range r.Instances {
		_, err := netip.ParseAddrPort(i.Addr)
		want(err == nil, "instances.addr", "IP:port")
		want(i.ID != "" && !ids[i.ID], "instances.id", "one that no other instance has")
		ids[i.ID] = true
	}
	switch r.Balance {
	case RoundRobin, LeastLoaded, TwoChoices, ConsistentHash:
	default:
		want(false, "balance", strings.Join([]string{RoundRobin, LeastLoaded, TwoChoices, ConsistentHash}, ", "))
	}
	want(r.HashHeader == "" || r.Balance == ConsistentHash, "hash_header", "balance to be "+ConsistentHash)
	want(r.Timeout > 0, "timeout", "a duration above 0")
	want(r.Attempt > 0, "attempt", "a duration above 0")
	want(r.Connect > 0, "connect", "a duration above 0")
	want(r.Attempts >= 1 && r.Attempts <= 10, "attempts", "1 to 10")
	want(r.SlowStart >= 0, "slow_start", "a duration of at least 0")
	if h := r.Health; h != nil {
		want(strings.HasPrefix(h.Path, "/"), "health.path", "a path that begins with /")
		want(h.Interval > 0, "health.interval", "a duration above 0")
		want(h.Timeout > 0, "health.timeout", "a duration above 0")
		want(h.Fall > 0, "health.fall", "at least 1")
		want(h.Rise > 0, "health.rise", "at least 1")
	}
	if o := r.Outlier; o != nil {
		want(o.Failures > 0, "outlier.failures", "at least 1")
		want(o.Eject > 0, "outlier.eject", "a duration above 0")
		want(o.MaxShare > 0 && o.MaxShare <= 1, "outlier.max_share", "a share above 0, up to 1")
	}
	if err := r.Config.Check(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// filled returns r with its defaults.
func (r Route) filled() Route {
	r.Path = or(r.Path, "/")
	r.Balance = or(r.Balance, TwoChoices)
	r.Timeout = or(r.Timeout, Duration(time.Second))
	r.Attempt = min(or(r.Attempt, r.Timeout), r.Timeout)
	r.Connect = or(r.Connect, Duration(250*time.Millisecond))
	r.Attempts = or(r.Attempts, 3)
	if r.Health != nil {
		h := *r.Health
		h.Path = or(h.Path, "/ready")
		h.Interval = or(h.Interval, Duration(100*time.Millisecond))
		h.Timeout = or(h.Timeout, h.Interval)
		h.Fall, h.Rise = or(h.Fall, 2), or(h.Rise, 2)
		r.Health = &h
	}
	if r.Outlier != nil {
		o := *r.Outlier
		o.Failures = or(o.Failures, 3)
		o.Eject = or(o.Eject, Duration(time.Second))
		o.MaxShare = or(o.MaxShare, 0.5)
		r.Outlier = &o
	}
	return r
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
