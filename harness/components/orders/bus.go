package orders

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// bus carries messages about orders, each at least once after Publish has
// returned nil. Safe for concurrent use.
type bus interface {
	Publish(ctx context.Context, orders []Order) error
	Close()
}

// source is the consumer's end of a bus.
type source interface {
	// Next waits for messages and hands them to apply; they are acknowledged
	// after it returned nil, and come again otherwise.
	Next(ctx context.Context, apply func(ctx context.Context, tx *sql.Tx, orders []Order) error) error
	Close()
}

// values renders n times "(?, ?)" and its arguments.
func values(orders []Order) (text string, args []any) {
	rows := make([]string, len(orders))
	for i, o := range orders {
		rows[i] = "(?, ?)"
		args = append(args, o.ID, o.Job)
	}
	return strings.Join(rows, ", "), args
}

// ids renders the ids of orders for IN (...). They are numbers.
func ids(orders []Order) string {
	texts := make([]string, len(orders))
	for i, o := range orders {
		texts[i] = strconv.FormatUint(o.ID, 10)
	}
	return strings.Join(texts, ", ")
}

// table is a bus that is a table of the database, for shops that need no other.
type table struct{ database *database }

func (t table) Publish(ctx context.Context, orders []Order) error {
	text, args := values(orders)
	return t.database.onPrimary(ctx, func(pool *sql.DB) error {
		_, err := pool.ExecContext(ctx, "INSERT INTO queue (order_id, job) VALUES "+text, args...)
		return err
	})
}

func (t table) Close() {}

const (
	batch     = 100
	emptyWait = 20 * time.Millisecond // before looking at an empty table again
)

func (t table) Next(ctx context.Context, apply func(context.Context, *sql.Tx, []Order) error) error {
	taken := 0
	err := t.database.transact(ctx, sql.LevelReadCommitted, func(tx *sql.Tx) error {
		rows, orders, err := take(ctx, tx, "queue")
		if taken = len(rows); err != nil || taken == 0 {
			return err
		}
		if err := apply(ctx, tx, orders); err != nil {
			return err
		}
		return drop(ctx, tx, "queue", rows)
	})
	if err == nil && taken == 0 {
		rest(ctx, emptyWait)
	}
	return err
}

// take locks and returns the oldest rows of the outbox or the queue that nobody
// else has locked. Read committed locks no gaps, so that others may go on adding.
func take(ctx context.Context, tx *sql.Tx, from string) (rows []string, orders []Order, err error) {
	found, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT id, order_id, job FROM %s ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED", from, batch))
	if err != nil {
		return nil, nil, err
	}
	defer found.Close()
	for found.Next() {
		var row uint64
		var o Order
		if err := found.Scan(&row, &o.ID, &o.Job); err != nil {
			return nil, nil, err
		}
		rows, orders = append(rows, strconv.FormatUint(row, 10)), append(orders, o)
	}
	return rows, orders, found.Err()
}

func drop(ctx context.Context, tx *sql.Tx, from string, rows []string) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s WHERE id IN (%s)", from, strings.Join(rows, ", ")))
	return err
}

// log is a bus that is a topic of Kafka.
type log struct{ client *kgo.Client }

const (
	deliveryLimit = 5 * time.Second // a message that is not acknowledged by then has failed
	sessionLimit  = 6 * time.Second // a silent member leaves its group; the brokers' own minimum
)

// newLog connects a producer: every message acknowledged by all replicas in
// sync, and written once however often it is sent (the library's defaults).
func newLog(brokers []string, topic string) (*log, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordDeliveryTimeout(deliveryLimit), kgo.ProducerLinger(0), kgo.DialTimeout(time.Second), kgo.MetadataMinAge(250*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return &log{client}, nil
}

func (l *log) Publish(ctx context.Context, orders []Order) error {
	records := make([]*kgo.Record, len(orders))
	for i, o := range orders {
		value, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("encode order: %w", err)
		}
		records[i] = &kgo.Record{Key: []byte(strconv.FormatUint(o.ID, 10)), Value: value}
	}
	if err := l.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("publish %d orders: %w", len(orders), err)
	}
	return nil
}

func (l *log) Close() { l.client.Close() }

// group is a member of a Kafka consumer group.
type group struct {
	client   *kgo.Client
	database *database
}

func newGroup(brokers []string, topic string, d *database) (*group, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumerGroup("orders"), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(sessionLimit), kgo.HeartbeatInterval(sessionLimit/6), kgo.RebalanceTimeout(sessionLimit),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(250*time.Millisecond),
		kgo.DialTimeout(time.Second), kgo.MetadataMinAge(250*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return &group{client, d}, nil
}

// Next applies what was fetched for as long as it takes: the position has moved
// on, so giving up here would be losing it.
func (g *group) Next(ctx context.Context, apply func(context.Context, *sql.Tx, []Order) error) error {
	fetches := g.client.PollRecords(ctx, batch)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var orders []Order
	for _, r := range fetches.Records() {
		var o Order
		if err := json.Unmarshal(r.Value, &o); err != nil {
			return fmt.Errorf("decode order at offset %d of partition %d: %w", r.Offset, r.Partition, err)
		}
		orders = append(orders, o)
	}
	for len(orders) > 0 {
		limited, cancel := context.WithTimeout(ctx, applyLimit)
		err := g.database.transact(limited, sql.LevelReadCommitted, func(tx *sql.Tx) error { return apply(limited, tx, orders) })
		cancel()
		if err == nil {
			break
		}
		if !rest(ctx, retryWait) {
			return err
		}
	}
	if len(orders) > 0 {
		if err := g.client.CommitUncommittedOffsets(ctx); err != nil {
			return fmt.Errorf("acknowledge messages: %w", err) // they come again, and change nothing
		}
	}
	if err := fetches.Err0(); err != nil {
		return fmt.Errorf("fetch messages: %w", err)
	}
	return nil
}

func (g *group) Close() { g.client.Close() }

// rest waits; false when ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
