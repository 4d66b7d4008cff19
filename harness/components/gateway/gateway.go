package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	"github.com/hadrill/hadrill/harness/components/registry"
)

// NodeHeader names, in every answer, the gateway that it came through.
const NodeHeader = "X-Hadrill-Gateway"

// Gateway routes requests. Safe for concurrent use. It sends nothing before Run
// has told it where instances are.
type Gateway struct {
	config  Config
	say     func(string)
	ready   func() error // of what is plugged in; nil: nothing is asked
	routes  []*route     // longest path first
	handler http.Handler
	metrics *metrics
	tracer  *tracer
	cache   *cache
	secure  *tls.Config // towards instances; nil: plain HTTP
}

// route is one route with all that belongs to it.
type route struct {
	route     Route
	rotation  *rotation
	guard     protection
	transport *http.Transport
	handler   http.Handler
}

// New returns a gateway, or everything that is wrong with its configuration.
func New(c Config, s Seams) (*Gateway, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if s.Say == nil {
		s.Say = func(string) {}
	}
	g := &Gateway{config: c, say: s.Say, ready: s.Ready, metrics: newMetrics(), cache: &cache{path: c.Cache, lists: map[string][]registry.Instance{}}}
	var err error
	if g.tracer, err = newTracer(c.Node, c.Trace, or[io.Writer](c.TraceTo, io.Discard)); err != nil {
		return nil, err
	}
	if g.secure, err = towards(c.Upstream, s.Say); err != nil {
		return nil, err
	}
	for _, r := range c.Routes {
		made, err := g.newRoute(r.filled(), s)
		if err != nil {
			return nil, err
		}
		g.routes = append(g.routes, made)
	}
	slices.SortStableFunc(g.routes, func(a, b *route) int { return len(b.route.Path) - len(a.route.Path) })
	g.handler = http.HandlerFunc(g.dispatch)
	if s.Authenticate != nil {
		g.handler = s.Authenticate(g.handler)
	}
	return g, g.metrics.registry.Register(collector{g})
}

func (g *Gateway) newRoute(r Route, s Seams) (*route, error) {
	guard, err := protect.New(r.Name, r.Config, func(e protect.Event) { s.Say(e.String()) })
	if err != nil {
		return nil, fmt.Errorf("HADRILL_ROUTES: %w", err)
	}
	made := &route{route: r, guard: guard, rotation: newRotation(r, guard, s.Say)}
	made.rotation.secure = g.secure
	scheme := schemeOf(g.secure)
	dialer := net.Dialer{Timeout: r.Connect.Std(), KeepAlive: 15 * time.Second}
	made.transport = &http.Transport{
		DialContext: dialer.DialContext, DisableCompression: true,
		TLSClientConfig: g.secure.Clone(), TLSHandshakeTimeout: r.Connect.Std(),
		MaxIdleConns: 0, MaxIdleConnsPerHost: 512, IdleConnTimeout: 30 * time.Second,
		ResponseHeaderTimeout: r.Timeout.Std(), WriteBufferSize: 4 << 10, ReadBufferSize: 4 << 10,
	}
	figures := g.metrics.of(r.Name)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = scheme, r.Name // the host is set by each attempt
			p.Out.Host = p.In.Host
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
			p.SetXForwarded()
		},
		Transport:    &attempts{route: r, rotation: made.rotation, guard: guard, transport: made.transport, metrics: figures, tracer: g.tracer},
		ErrorHandler: g.refuse,
		ErrorLog:     log.New(io.Discard, "", 0), // every failure is in the metrics
		BufferPool:   &buffers,
	}
	made.handler = g.bounded(r, figures, guard.Wrap(proxy))
	return made, nil
}

// schemeOf is that of URLs of instances.
func schemeOf(secure *tls.Config) string {
	if secure == nil {
		return "http"
	}
	return "https"
}

// Handler serves the routes.
func (g *Gateway) Handler() http.Handler { return g.handler }

// dispatch finds the route: the longest path that is a prefix, at a boundary.
func (g *Gateway) dispatch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(NodeHeader, g.config.Node)
	for _, candidate := range g.routes {
		if matches(candidate.route.Path, r.URL.Path) {
			candidate.handler.ServeHTTP(w, r)
			return
		}
	}
	http.Error(w, "no route for this path", http.StatusNotFound)
}

// matches tells whether a route's path covers a request's: "/a" covers "/a" and
// "/a/b" but not "/ab".
func matches(path, requested string) bool {
	rest, ok := strings.CutPrefix(requested, path)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(path, "/"))
}

// bounded gives the request its deadline and counts its answer.
func (g *Gateway) bounded(route Route, figures *routeMetrics, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		limit, err := budgetOf(r, route.Timeout.Std())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			figures.request(http.StatusBadRequest, 0)
			return
		}
		ctx, traced := g.tracer.request(r, route.Name)
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		if route.Balance == ConsistentHash {
			ctx = context.WithValue(ctx, clientKey{}, r.RemoteAddr)
		}
		answer := &counted{ResponseWriter: w}
		defer func() {
			figures.request(answer.status, time.Since(began))
			traced(answer.status)
		}()
		next.ServeHTTP(answer, r.WithContext(ctx))
	})
}

// refuse answers in place of an instance that did not, so that a client knows
// as much as the gateway does: 503, nothing was done; 502 and 504, nobody knows.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadGateway
	switch {
	case errors.Is(err, errBody):
		status = http.StatusBadRequest
	case errors.Is(err, errNobody), errors.Is(err, errNotSent), errors.Is(err, protect.ErrOpen):
		status = http.StatusServiceUnavailable
	case errors.Is(err, errSlow), errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	}
	http.Error(w, cause(err), status)
}

// counted remembers an answer's status.
type counted struct {
	http.ResponseWriter
	status int
}

// Unwrap lets http.ResponseController find the writer below.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counted) WriteHeader(status int) {
	if c.status < http.StatusOK {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(p)
}

// pool lends buffers for copying answers.
type pool struct{ free sync.Pool }

var buffers = pool{sync.Pool{New: func() any { return new([16 << 10]byte) }}}

// Get implements httputil.BufferPool.
func (p *pool) Get() []byte { return p.free.Get().(*[16 << 10]byte)[:] }

// Put implements httputil.BufferPool.
func (p *pool) Put(b []byte) { p.free.Put((*[16 << 10]byte)(b)) }
