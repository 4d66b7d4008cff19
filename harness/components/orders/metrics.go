package orders

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are an instance's own counters, in a registry of its own.
type metrics struct {
	handler   http.Handler
	requests  *prometheus.CounterVec
	cache     *prometheus.CounterVec
	replayed  prometheus.Counter
	published prometheus.Counter
	duration  *prometheus.HistogramVec
}

func newMetrics() *metrics {
	all := prometheus.NewRegistry()
	m := &metrics{
		handler:   promhttp.HandlerFor(all, promhttp.HandlerOpts{}),
		requests:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orders_requests_total", Help: "Requests by route and status."}, []string{"route", "status"}),
		cache:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orders_cache_total", Help: "Look-ups of the cache: fresh, stale, miss, failed."}, []string{"result"}),
		replayed:  prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_replayed_total", Help: "Requests that were answered from an idempotency key."}),
		published: prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_published_total", Help: "Messages that the bus acknowledged."}),
		duration:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "orders_request_seconds", Help: "Time to answer.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 12)}, []string{"route"}),
	}
	all.MustRegister(m.requests, m.cache, m.replayed, m.published, m.duration)
	return m
}
