package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness/components/gateway/protect"
)

// AttemptsHeader says in an answer how many attempts it took.
const AttemptsHeader = "X-Hadrill-Attempts"

var (
	errNobody  = errors.New("no instance is known")
	errNotSent = errors.New("not sent to any instance")
)

// attempts is the http.RoundTripper behind the reverse proxy of a route: it
// makes a request once or several times, at one or several instances.
//
//	pick ─▶ breaker ─▶ send ─▶ answer ─────────────────────────▶ client
//	  ▲                   │
//	  └──── again, if  time, attempts and budget are left, and
//	                   nothing was sent at all, or
//	                   the instance says that it did nothing, or
//	                   the request is idempotent and got no answer, or
//	                   502, 503 or 504
//
// A request that is not idempotent and may have been processed is never made
// again; its client is told that nobody knows (502 or 504). One that surely was
// not sent is answered 503.
type attempts struct {
	route     Route
	rotation  *rotation
	guard     protection
	transport http.RoundTripper
	metrics   *routeMetrics
	tracer    *tracer
}

// RoundTrip implements http.RoundTripper.
func (a *attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	content, err := newContent(r)
	if err != nil {
		return nil, err
	}
	key := a.key(r)
	i, watch, err := a.admit(key, nil)
	if err != nil {
		return nil, err
	}
	a.guard.First()
	var tried []*instance
	doubt := false // an attempt before this one may have been processed
	for n := 1; ; n++ {
		t := a.send(r, i, content, n)
		watch.Done(t.evidence())
		if n == a.route.Attempts || !t.repeatable(r, content) {
			return t.end(n, doubt)
		}
		if !a.guard.Retry() {
			a.metrics.denied.Inc()
			return t.end(n, doubt)
		}
		tried = append(tried, i)
		next, nextWatch, err := a.admit(key, tried)
		if err != nil {
			return t.end(n, doubt)
		}
		a.metrics.retries.Inc()
		doubt = doubt || !safe(r.Method) && t.doubtful()
		t.discard()
		i, watch = next, nextWatch
	}
}

// admit picks an instance whose breaker lets an attempt through.
func (a *attempts) admit(key uint64, tried []*instance) (*instance, *protect.Attempt, error) {
	for {
		i := a.rotation.pick(key, tried)
		if i == nil {
			return nil, nil, errNobody
		}
		watch, err := a.guard.Attempt(i.id)
		if err == nil {
			return i, watch, nil
		}
		if slices.Contains(tried, i) {
			return nil, nil, err
		}
		tried = append(slices.Clone(tried), i)
	}
}

// key is what consistent hashing keeps together.
func (a *attempts) key(r *http.Request) uint64 {
	if a.route.Balance != ConsistentHash {
		return 0
	}
	if a.route.HashHeader != "" {
		return hash(r.Header.Get(a.route.HashHeader))
	}
	client, ok := r.Context().Value(clientKey{}).(string)
	if !ok {
		return 0
	}
	host, _, err := net.SplitHostPort(client)
	if err != nil {
		host = client
	}
	return hash(host)
}

// clientKey is the context key of the client's address, which the reverse proxy
// does not keep in the request it sends on.
type clientKey struct{}

// try is one attempt and how it ended.
type try struct {
	answer *http.Response
	err    error
	sent   bool // a connection was had: something may have been sent
	blind  bool // says nothing about the instance: the client left, or gave it no time
}

// send makes one attempt at an instance.
func (a *attempts) send(r *http.Request, i *instance, content content, n int) try {
	var t try
	var sent atomic.Bool
	ctx, cancel := context.WithCancelCause(r.Context())
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	out := r.WithContext(ctx)
	if n > 1 {
		// What was given up may still be reading the last attempt's header.
		out.Header = r.Header.Clone()
	}
	url := *r.URL
	url.Host = i.addr
	out.URL = &url
	content.fill(out)
	ctx, traced := a.tracer.attempt(ctx, out.Header, i, n)
	out = out.WithContext(ctx)
	began := time.Now()
	if deadline, ok := r.Context().Deadline(); ok {
		remaining(out.Header, deadline, began)
	}
	i.begin(began)
	timer := time.AfterFunc(a.route.Attempt.Std(), func() { cancel(errSlow) })
	t.answer, t.err = a.transport.RoundTrip(out)
	if !timer.Stop() && t.err == nil && context.Cause(ctx) != nil {
		t.discard() // the header came as the attempt was given up; its body will not
		t.answer, t.err = nil, errSlow
	}
	took := time.Since(began)
	t.sent = sent.Load()
	if t.err != nil {
		i.underway.Add(-1)
		t.err = a.explain(r, ctx, i, t.err)
		t.blind = errors.Is(t.err, context.Canceled) || errors.Is(t.err, context.DeadlineExceeded) && took < a.route.Attempt.Std()*9/10
		cancel(nil)
	} else if t.answer.StatusCode != http.StatusSwitchingProtocols {
		t.answer.Body = &answerBody{ReadCloser: t.answer.Body, instance: i, rotation: a.rotation, request: r.Context(), cancel: cancel}
	} else {
		i.underway.Add(-1)
	}
	if !t.blind {
		a.rotation.outcome(i, took, t.failure())
	}
	a.metrics.attempt(i.id, t)
	traced(t.failure())
	return t
}

// explain wraps an error with its true cause: the library says "canceled" for
// whatever ended a context.
func (a *attempts) explain(r *http.Request, ctx context.Context, i *instance, err error) error {
	switch {
	case r.Context().Err() != nil:
		err = r.Context().Err()
	case errors.Is(context.Cause(ctx), errSlow):
		err = errSlow
	}
	return fmt.Errorf("attempt at %s: %w", i.id, err)
}

// failure says why the attempt counts as failed, or nothing. A shed request is
// an answer: the instance is busy, not broken.
func (t try) failure() string {
	switch {
	case t.err != nil:
		return cause(t.err)
	case unavailable(t.answer.StatusCode) && t.answer.Header.Get(protect.ShedHeader) == "":
		return fmt.Sprintf("answered %d", t.answer.StatusCode)
	}
	return ""
}

// evidence is what the breaker is told.
func (t try) evidence() (status int, err error) {
	if t.blind {
		return 0, context.Canceled
	}
	if t.err != nil {
		return 0, t.err
	}
	return t.answer.StatusCode, nil
}

func unavailable(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// repeatable tells whether the request may be made again without a risk of
// being processed twice, where that matters.
func (t try) repeatable(r *http.Request, c content) bool {
	switch {
	case r.Context().Err() != nil:
		return false // nobody waits for it
	case t.err != nil && !t.sent:
		return true
	case !c.replayable:
		return false
	case t.err != nil:
		return idempotent(r)
	}
	return unavailable(t.answer.StatusCode) && (idempotent(r) || t.answer.Header.Get(protect.ShedHeader) != "")
}

// idempotent follows RFC 9110, section 9.2.2; a request with an Idempotency-Key
// is the service's to recognise when it comes again.
func idempotent(r *http.Request) bool {
	return safe(r.Method) || r.Method == http.MethodPut || r.Method == http.MethodDelete || r.Header.Get("Idempotency-Key") != ""
}

// safe methods change nothing, section 9.2.1 there.
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions || method == http.MethodTrace
}

// doubtful tells whether the attempt failed and may have been processed.
func (t try) doubtful() bool {
	return t.err != nil && t.sent || t.err == nil && t.answer.Header.Get(protect.ShedHeader) == ""
}

// end gives the last attempt's answer or error to the client. 503 says that
// nothing was done: the last instance can say so for itself only, so with a
// doubt about an earlier attempt it becomes 502.
func (t try) end(n int, doubt bool) (*http.Response, error) {
	if t.err != nil {
		if !t.sent && !doubt {
			return nil, errors.Join(errNotSent, t.err)
		}
		return nil, t.err
	}
	if doubt && t.answer.StatusCode == http.StatusServiceUnavailable {
		t.answer.StatusCode, t.answer.Status = http.StatusBadGateway, "502 "+http.StatusText(http.StatusBadGateway)
		t.answer.Header.Del(protect.ShedHeader)
	}
	t.answer.Header.Set(AttemptsHeader, strconv.Itoa(n))
	return t.answer, nil
}

// discard drops an answer that nobody is to see.
func (t try) discard() {
	if t.err == nil {
		_, _ = io.CopyN(io.Discard, t.answer.Body, 4<<10) // so that the connection can be used again
		_ = t.answer.Body.Close()                         // an error of what is dropped is of no use
	}
}

// answerBody ends the attempt when the answer has been passed on, or broke off.
type answerBody struct {
	io.ReadCloser
	instance *instance
	rotation *rotation
	request  context.Context
	cancel   context.CancelCauseFunc
	ended    atomic.Bool
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && b.request.Err() == nil && !b.ended.Swap(true) {
		b.instance.underway.Add(-1)
		b.rotation.outcome(b.instance, 0, "the answer broke off: "+cause(err))
	}
	return n, err
}

func (b *answerBody) Close() error {
	if !b.ended.Swap(true) {
		b.instance.underway.Add(-1)
	}
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
