package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// HTTP requests one path of a web server, in two lanes: over pooled
// connections, as most clients do, and over a fresh connection for each
// request, as a new visitor does. After a silent change of address the pooled
// lane measures its own time-outs, the fresh lane the new route. It needs
// harness.HTTPServer of the system, or URL.
type HTTP struct {
	Name        string            // first part of the lanes' names; default "http"
	Rate        float64           // requests a second, shared by the lanes; default 500
	Method      string            // default GET
	Path        string            // default "/"
	Header      map[string]string // of every request
	Body        string            // of every request
	Connections []string          // "pooled", "fresh"; default both
	Degraded    string            // name of the answer header that marks a correct degraded answer
	URL         string            // base URL instead of the system's
	Door        string            // name of a way in that the system has beside its URL (harness.Doors)
	Schedule    Schedule          // instead of Rate
	Clients     int               // most requests under way in a lane; default by Rate and Timeout, 8..512
	Timeout     time.Duration     // deadline of a request, its connection included; default 1 s
	Zone        string            // client zone; "" is the data network
	// Token is a kind of token that the system gives out (harness.Authorizer):
	// each request shows the one of the moment. "": none is asked for.
	Token string
	// Intruder says that no request of this load may be answered well: the
	// lane is not judged but by the check no-intruder.
	Intruder bool
}

var _ Load = HTTP{}

// The two kinds of connection.
const (
	Pooled = "pooled"
	Fresh  = "fresh"
)

// filled returns h with its defaults.
func (h HTTP) filled() HTTP {
	h.Schedule = orConstant(h.Rate, h.Schedule)
	if h.Name == "" {
		h.Name = "http"
	}
	if h.Method == "" {
		h.Method = http.MethodGet
	}
	if h.Path == "" {
		h.Path = "/"
	}
	if len(h.Connections) == 0 {
		h.Connections = []string{Pooled, Fresh}
	}
	if h.Timeout <= 0 {
		h.Timeout = time.Second
	}
	if h.Clients <= 0 {
		h.Clients = users(h.Schedule.Rate()/float64(len(h.Connections)), h.Timeout, 512)
	}
	return h
}

// Describe implements Load.
func (h HTTP) Describe() string {
	h = h.filled()
	params := fmt.Sprintf("%s %s connections=%s", h.Method, h.URL+h.Path, strings.Join(h.Connections, ","))
	if len(h.Header) > 0 || h.Body != "" {
		params += fmt.Sprintf(" header=%v body=%q", h.Header, h.Body) // fmt prints maps in order
	}
	if h.Door != "" {
		params += " door=" + h.Door
	}
	if h.Token != "" {
		params += " token=" + h.Token
	}
	if h.Intruder {
		params += " intruder"
	}
	if h.Degraded != "" {
		params += " degraded=" + h.Degraded
	}
	return describe(h.Name, params, h.Schedule, h.Clients, h.Timeout, []string{h.Zone})
}

// Lanes implements Load.
func (h HTTP) Lanes() []record.Lane {
	h = h.filled()
	lanes := make([]record.Lane, len(h.Connections))
	for i, kind := range h.Connections {
		lanes[i] = record.Lane{Name: laneName(h.Name+"/"+kind, h.Zone), Protocol: "http", Connection: kind, Zone: h.Zone,
			Rate: h.Schedule.Rate() / float64(len(lanes)), Intruder: h.Intruder}
	}
	return lanes
}

// Open implements Load.
func (h HTTP) Open(_ context.Context, t Target) (Session, error) {
	h = h.filled()
	var secure *tls.Config
	if server, ok := t.Running.(harness.TLSServer); ok {
		secure = server.ClientTLS()
	}
	if h.Door != "" {
		doors, ok := t.Running.(harness.Doors)
		if !ok {
			return nil, fmt.Errorf("load http: the system %T has no doors (harness.Doors)", t.Running)
		}
		var err error
		if h.URL, secure, err = doors.Door(h.Door); err != nil {
			return nil, fmt.Errorf("load http: %w", err)
		}
	}
	if h.URL == "" {
		server, ok := t.Running.(harness.HTTPServer)
		if !ok {
			return nil, fmt.Errorf("load http: the system %T serves no HTTP (harness.HTTPServer)", t.Running)
		}
		h.URL = server.URL()
	}
	from, err := t.vantage(h.Zone)
	if err != nil {
		return nil, fmt.Errorf("load http: %w", err)
	}
	target := vegeta.Target{Method: h.Method, URL: strings.TrimRight(h.URL, "/") + h.Path, Header: http.Header{}}
	for k, v := range h.Header {
		target.Header.Set(k, v)
	}
	if h.Body != "" {
		target.Body = []byte(h.Body)
	}
	if _, err := target.Request(); err != nil {
		return nil, fmt.Errorf("load http: %w", err)
	}
	token := func() string { return "" }
	if h.Token != "" {
		gate, ok := t.Running.(harness.Authorizer)
		if !ok {
			return nil, fmt.Errorf("load http: the system %T gives out no tokens (harness.Authorizer)", t.Running)
		}
		if token, err = gate.Authorization(h.Token); err != nil {
			return nil, fmt.Errorf("load http: %w", err)
		}
	}
	s := &httpSession{}
	processes := t.processes()
	for i, spec := range h.Lanes() {
		clock, err := newTimer()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("load http: %w", err), s.Close())
		}
		l := &httpLane{
			spec: spec, number: t.LaneBase + uint8(i), target: t, request: target,
			safe:     h.Method == http.MethodGet || h.Method == http.MethodHead || h.Method == http.MethodOptions,
			schedule: Schedule(shared{h.Schedule, uint64(i), uint64(len(h.Connections))}),
			clients:  h.Clients, timeout: h.Timeout, degraded: h.Degraded, token: token,
			sink: newSink(t.Recorder), timer: clock, processes: processes,
		}
		l.transport = newTransport(from, secure.Clone(), spec.Connection == Fresh, h.Clients, h.Timeout)
		s.lanes = append(s.lanes, l)
	}
	return s, nil
}

// httpSession is the Session of an HTTP load.
type httpSession struct{ lanes []*httpLane }

func (s *httpSession) Run(ctx context.Context, start record.Time, d time.Duration) error {
	errs := make(chan error, len(s.lanes))
	for _, l := range s.lanes {
		go func() { errs <- l.run(ctx, start, d) }()
	}
	var all []error
	for range s.lanes {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// ReadBack implements Session: plain requests leave no state.
func (s *httpSession) ReadBack(context.Context) error { return nil }

func (s *httpSession) Stats() (sum Stats) {
	for _, l := range s.lanes {
		sum = sum.Plus(l.stats())
	}
	return sum
}

func (s *httpSession) Close() error {
	var errs []error
	for _, l := range s.lanes {
		l.transport.close()
		errs = append(errs, l.timer.Close(), l.sink.close())
	}
	return errors.Join(errs...)
}

// targeter gives vegeta the one request of a lane, which it only reads.
func (l *httpLane) targeter(t *vegeta.Target) error {
	*t = l.request
	return nil
}
