package orders

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	// KeyHeader bears the idempotency key of an order.
	KeyHeader = "Idempotency-Key"
	// SeenHeader bears, in the answer to a write, what a later read must see,
	// and in a read what it must.
	SeenHeader = "X-Seen"
	// ReplayedHeader marks the answer to a request that was placed before.
	ReplayedHeader = "X-Replayed"
	// DeadlineHeader bears how many milliseconds the customer still waits.
	DeadlineHeader = "X-Deadline-Ms"

	requestLimit = 5 * time.Second // of a request whose customer says nothing
	readyLimit   = 500 * time.Millisecond
	maxKey       = 64
)

// Service is one instance. Safe for concurrent use.
type Service struct {
	config   Config
	database *database
	reader   *reader
	cache    *cache
	bus      bus
	capacity *capacity
	metrics  *metrics
	wake     chan struct{}

	mu     sync.Mutex
	unsent []Order // without an outbox: messages in memory
}

// New checks the configuration. The instance connects in the background and
// when it is used: a database that is away makes it not ready, and no failure.
func New(c Config) (*Service, error) {
	c = c.filled()
	if err := c.check(); err != nil {
		return nil, err
	}
	d, err := openDatabase(c.MySQL, c.Manager, c.Say)
	if err != nil {
		return nil, err
	}
	s := &Service{
		config: c, database: d, reader: &reader{database: d, away: map[netip.AddrPort]time.Time{}}, bus: table{d},
		capacity: newCapacity(c.Slots, c.Cost, c.Cold), metrics: newMetrics(), wake: make(chan struct{}, 1),
	}
	if len(c.Kafka) > 0 {
		if s.bus, err = newLog(c.Kafka, c.Topic); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	s.cache = newCache(c.Redis, c, s.reader.price, func(result string) { s.metrics.cache.WithLabelValues(result).Inc() })
	return s, nil
}

// WarmUp returns when the instance is as quick as it gets.
func (s *Service) WarmUp(ctx context.Context) {
	if s.config.WarmUp {
		s.capacity.warmUp(ctx)
		s.config.Say("orders: warm")
	}
}

// Ready returns nil when orders can be placed.
func (s *Service) Ready(ctx context.Context) error { return ready(ctx, s.database) }

func ready(ctx context.Context, d *database) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	return d.onPrimary(ctx, func(pool *sql.DB) error { return pool.PingContext(ctx) })
}

// Run relays messages until ctx ends, and then lets go of everything.
func (s *Service) Run(ctx context.Context) error {
	s.relay(ctx)
	s.bus.Close()
	return errors.Join(s.cache.close(), s.database.close())
}

// Handlers are the routes:
//
//	POST /orders?job=N      places an order; KeyHeader makes repeating it safe
//	GET  /items?id=N        the price of an item
//	POST /items?id=N&price=P  changes it; SeenHeader of the answer is for reads that must see it
//	GET  /work              takes its cost and asks nobody
//	GET  /pending           how many orders still wait for their effect
//	GET  /effects           the jobs of all effects, one a line, in order
//	GET  /metrics           Prometheus' text format
//
// 503 means that nothing took effect; any other error leaves that open.
func (s *Service) Handlers() map[string]http.Handler {
	return map[string]http.Handler{
		"POST /orders": s.route("orders", true, s.postOrder),
		"GET /items":   s.route("items", true, s.getItem),
		"POST /items":  s.route("items", true, s.postItem),
		"GET /work":    s.route("work", true, func(context.Context, http.Header, *http.Request) (string, error) { return "ok", nil }),
		"GET /pending": s.route("pending", false, func(ctx context.Context, _ http.Header, _ *http.Request) (string, error) {
			n, err := s.Pending(ctx)
			return strconv.Itoa(n), err
		}),
		"GET /effects": s.route("effects", false, func(ctx context.Context, _ http.Header, _ *http.Request) (string, error) {
			jobs, err := s.Effects(ctx)
			if err != nil {
				return "", err
			}
			text, err := json.Marshal(jobs)
			return string(text), err
		}),
		"GET /metrics": s.metrics.handler,
	}
}

// handler answers a request with a text. What it puts into the header is sent
// with a good answer.
type handler func(ctx context.Context, header http.Header, r *http.Request) (string, error)

// route bounds a request, has it pay its cost, and turns errors into statuses.
func (s *Service) route(name string, paid bool, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		limit := requestLimit
		if ms, err := strconv.Atoi(r.Header.Get(DeadlineHeader)); err == nil && ms > 0 {
			limit = min(limit, time.Duration(ms)*time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		var text string
		do := func() (err error) {
			text, err = h(ctx, w.Header(), r)
			return err
		}
		var err error
		if paid {
			err = s.capacity.work(ctx, do)
		} else {
			err = do()
		}
		status := http.StatusOK
		if err != nil {
			status, text = statusOf(err), err.Error()
		}
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = fmt.Fprintln(w, text) // the customer may be gone
		s.metrics.requests.WithLabelValues(name, strconv.Itoa(status)).Inc()
		s.metrics.duration.WithLabelValues(name).Observe(time.Since(began).Seconds())
	})
}

// bad is an error of the customer's.
type bad string

func (b bad) Error() string { return string(b) }

func statusOf(err error) int {
	var mistake bad
	var nothing refused
	switch {
	case errors.As(err, &mistake):
		return http.StatusBadRequest
	case errors.Is(err, sql.ErrNoRows):
		return http.StatusNotFound
	case errors.As(err, &nothing):
		return http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

func numberOf(r *http.Request, name string) (uint64, error) {
	n, err := strconv.ParseUint(r.URL.Query().Get(name), 10, 64)
	if err != nil {
		return 0, bad(name + ": want a number")
	}
	return n, nil
}

func (s *Service) postOrder(ctx context.Context, header http.Header, r *http.Request) (string, error) {
	job, err := numberOf(r, "job")
	if err != nil {
		return "", err
	}
	key := r.Header.Get(KeyHeader)
	if len(key) > maxKey {
		return "", bad(fmt.Sprintf("%s: want at most %d characters", KeyHeader, maxKey))
	}
	order, replayed, err := s.place(ctx, job, key)
	if err != nil {
		return "", err
	}
	if replayed {
		s.metrics.replayed.Inc()
		header.Set(ReplayedHeader, "1")
	}
	return strconv.FormatUint(order.ID, 10), nil
}

func (s *Service) getItem(ctx context.Context, _ http.Header, r *http.Request) (string, error) {
	id, err := numberOf(r, "id")
	if err != nil {
		return "", err
	}
	price, err := s.cache.price(ctx, id, r.Header.Get(SeenHeader))
	return strconv.FormatInt(price, 10), err
}

func (s *Service) postItem(ctx context.Context, header http.Header, r *http.Request) (string, error) {
	id, err := numberOf(r, "id")
	if err != nil {
		return "", err
	}
	price, err := numberOf(r, "price")
	if err != nil {
		return "", err
	}
	if err := s.setPrice(ctx, id, int64(price)); err != nil {
		return "", err
	}
	set, err := s.seen(ctx)
	if err != nil {
		return "", err
	}
	header.Set(SeenHeader, set)
	return "ok", nil
}
