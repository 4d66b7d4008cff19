package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracer records a span for a request and one for each attempt in it:
//
//	route all ────────────────────────────────────────
//	  attempt service-1 ──✗ no answer in time
//	                        attempt service-2 ─────────
//
// The trace goes on in the instance, by the header traceparent (W3C Trace
// Context). A nil tracer records nothing and leaves the client's header alone.
type tracer struct {
	provider *sdk.TracerProvider
	spans    trace.Tracer
	carry    propagation.TraceContext
}

// newTracer writes the spans of this share of requests, and of every request
// whose client asks for it, as JSON; nil for a share of 0.
func newTracer(node string, share float64, out io.Writer) (*tracer, error) {
	if share == 0 {
		return nil, nil
	}
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(out))
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(share))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "gateway"), attribute.String("service.instance.id", node))),
	)
	return &tracer{provider: provider, spans: provider.Tracer("gateway")}, nil
}

// request begins a route's span, as part of the client's trace if it has one.
func (t *tracer) request(r *http.Request, route string) (context.Context, func(status int)) {
	if t == nil {
		return r.Context(), func(int) {}
	}
	ctx := t.carry.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.spans.Start(ctx, "route "+route, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path)))
	return ctx, func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError || status == 0 {
			span.SetStatus(codes.Error, http.StatusText(status))
		}
		span.End()
	}
}

// attempt begins an attempt's span and names it to the instance.
func (t *tracer) attempt(ctx context.Context, h http.Header, i *instance, n int) (context.Context, func(failure string)) {
	if t == nil {
		return ctx, func(string) {}
	}
	ctx, span := t.spans.Start(ctx, "attempt "+i.id, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("server.address", i.addr), attribute.Int("http.request.resend_count", n-1)))
	t.carry.Inject(ctx, propagation.HeaderCarrier(h))
	return ctx, func(failure string) {
		if failure != "" {
			span.SetStatus(codes.Error, failure)
		}
		span.End()
	}
}

// close writes what has not been written yet.
func (t *tracer) close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}
