package gateway

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the gateway's figures in Prometheus' format, in a registry of
// their own, so that two gateways in a process do not meet.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	attempts *prometheus.CounterVec
	retries  *prometheus.CounterVec
	denied   *prometheus.CounterVec
}

func newMetrics() *metrics {
	registry := prometheus.NewRegistry()
	make := promauto.With(registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return make.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &metrics{
		registry: registry,
		requests: counter("gateway_requests_total", "Answers to clients, by status; 0 is an answer that was broken off.", "route", "status"),
		latency: make.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_request_seconds", Help: "From a request's arrival to the end of its answer.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"route"}),
		attempts: counter("gateway_attempts_total", "Attempts at instances, by how they ended: ok, failed, unknown (the client left).", "route", "instance", "end"),
		retries:  counter("gateway_retries_total", "Attempts beyond a request's first.", "route"),
		denied:   counter("gateway_retries_denied_total", "Retries that the budget did not allow.", "route"),
	}
}

// routeMetrics are those of one route, with its labels filled in.
type routeMetrics struct {
	route           string
	all             *metrics
	latency         prometheus.Observer
	retries, denied prometheus.Counter
}

func (m *metrics) of(route string) *routeMetrics {
	return &routeMetrics{
		route: route, all: m, latency: m.latency.WithLabelValues(route),
		retries: m.retries.WithLabelValues(route), denied: m.denied.WithLabelValues(route),
	}
}

func (m *routeMetrics) request(status int, took time.Duration) {
	m.all.requests.WithLabelValues(m.route, strconv.Itoa(status)).Inc()
	m.latency.Observe(took.Seconds())
}

func (m *routeMetrics) attempt(instance string, t try) {
	end := "ok"
	switch {
	case t.blind:
		end = "unknown"
	case t.failure() != "":
		end = "failed"
	}
	m.all.attempts.WithLabelValues(m.route, instance, end).Inc()
}

// collector shows what is known at the moment of asking: rotations and guards.
type collector struct{ gateway *Gateway }

var (
	inRotation  = prometheus.NewDesc("gateway_instance_in_rotation", "1 while requests are sent to the instance.", []string{"route", "instance"}, nil)
	underWay    = prometheus.NewDesc("gateway_instance_requests", "Requests under way at the instance.", []string{"route", "instance"}, nil)
	breakerOpen = prometheus.NewDesc("gateway_breaker_open", "1 while the breaker lets nothing through, 0.5 half-open.", []string{"route", "instance"}, nil)
	limitNow    = prometheus.NewDesc("gateway_limit", "Requests that may be under way at once.", []string{"route"}, nil)
	queued      = prometheus.NewDesc("gateway_queued", "Requests that wait for their turn.", []string{"route"}, nil)
	shed        = prometheus.NewDesc("gateway_shed_total", "Requests turned away by the limit.", []string{"route", "priority"}, nil)
	degraded    = prometheus.NewDesc("gateway_degraded_total", "Fallback answers.", []string{"route"}, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{inRotation, underWay, breakerOpen, limitNow, queued, shed, degraded} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for _, p := range c.gateway.Pools() {
		for _, m := range p.Members {
			in := 0.0
			if m.In {
				in = 1
			}
			gauge(inRotation, in, p.Route, m.ID)
			gauge(underWay, float64(m.UnderWay), p.Route, m.ID)
		}
	}
	for _, r := range c.gateway.routes {
		s := r.guard.Stats()
		for instance, state := range s.Breakers {
			gauge(breakerOpen, map[string]float64{"open": 1, "half-open": 0.5}[state], r.route.Name, instance)
		}
		gauge(limitNow, float64(s.Limit), r.route.Name)
		gauge(queued, float64(s.Queued), r.route.Name)
		count(degraded, s.Degraded, r.route.Name)
		for priority, n := range s.Shed {
			count(shed, n, r.route.Name, priority)
		}
	}
}
