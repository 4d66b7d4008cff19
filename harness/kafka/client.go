package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hadrill/hadrill/harness"
)

// How patient a user's library is with one request. A connection to a frozen
// broker is given up after answerLimit and slack; what the broker itself does
// not get acknowledged in answerLimit it says so of, and the library asks again.
const (
	dialLimit   = 250 * time.Millisecond
	answerLimit = 500 * time.Millisecond
	slack       = 250 * time.Millisecond
	pause       = 100 * time.Millisecond // between two attempts, and two looks for the leader
	openLimit   = 5 * time.Second
	introLimit  = 2 * time.Second
)

// client is one virtual user: a producer, and a reader of its own.
type client struct {
	running *Running
	library *kgo.Client
	reader  *reader
}

func (r *Running) open(ctx context.Context, from harness.Vantage) (*client, error) {
	library, err := kgo.NewClient(r.declared.options(r.seeds(), from)...)
	if err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	if err := library.Ping(ctx); err != nil {
		library.Close()
		return nil, fmt.Errorf("open client: %w", err)
	}
	r.introduce(ctx, library)
	return &client{running: r, library: library, reader: r.newReader(from)}, nil
}

// introduce lets a producer learn who leads, connect, and be given its number,
// by records that no reader sees. In the midst of a failure that may not be
// had, and the producer does it with its first operation.
func (r *Running) introduce(ctx context.Context, library *kgo.Client) {
	ctx, cancel := context.WithTimeout(ctx, introLimit)
	defer cancel()
	records := make([]*kgo.Record, len(r.places))
	for p := range records {
		records[p] = &kgo.Record{Topic: topic, Partition: int32(p), Value: encode(introduction, 0)}
	}
	_ = library.ProduceSync(ctx, records...).FirstErr()
}

func (r *Running) seeds() []string {
	all := make([]string, len(r.nodes))
	for i, n := range r.nodes {
		all[i] = net.JoinHostPort(n.Addr().String(), strconv.Itoa(clientPort))
	}
	return all
}

// options are the producer's. It repeats what was not answered, within the
// record's own deadline; being idempotent, what it repeats is written once.
func (c Cluster) options(seeds []string, from harness.Vantage) []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialLimit)
			defer cancel()
			return from.DialContext(ctx, network, address)
		}),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProduceRequestTimeout(answerLimit),
		kgo.RequestTimeoutOverhead(slack),
		kgo.RetryBackoffFn(func(int) time.Duration { return pause }),
		kgo.MetadataMinAge(pause),
		kgo.DisableClientMetrics(),
	}
	if c.acks() == AcksLeader {
		return append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	}
	options = append(options, kgo.RequiredAcks(kgo.AllISRAcks()))
	if c.PlainProducer {
		return append(options, kgo.DisableIdempotentWrite())
	}
	// An operation's deadline may pass while its record is on its way. It is
	// then unknown, and nobody sends it again: that is all the library warns of.
	return append(options, kgo.AllowIdempotentProduceCancellation())
}

// payload is a record's value: its set or queue, and the element.
const payload = 16

// introduction is the key of records that are no part of any set or queue.
const introduction = ^uint64(0)

func encode(key uint64, value int64) []byte {
	b := make([]byte, payload)
	binary.BigEndian.PutUint64(b, key)
	binary.BigEndian.PutUint64(b[8:], uint64(value))
	return b
}

func decode(b []byte) (key uint64, value int64, err error) {
	if len(b) != payload {
		return 0, 0, fmt.Errorf("a record of %d bytes, which nobody wrote", len(b))
	}
	return binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:])), nil
}

func (r *Running) partitionOf(key uint64) int32 { return int32(key % uint64(len(r.places))) }

// produce returns when the record is acknowledged or its deadline has passed,
// in which case its fate is unknown.
func (c *client) produce(ctx context.Context, key uint64, value int64) error {
	record := &kgo.Record{Topic: topic, Partition: c.running.partitionOf(key), Value: encode(key, value)}
	done := make(chan error, 1)
	c.library.Produce(ctx, record, func(_ *kgo.Record, err error) { done <- err })
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("produce to partition %d: %w", record.Partition, err)
	}
	return nil
}

// Close implements the clients' Close.
func (c *client) Close() error {
	c.library.Close()
	c.reader.close()
	return nil
}

// OpenSet implements harness.SetStore. A set is the records of one partition
// that bear its number.
func (r *Running) OpenSet(ctx context.Context, from harness.Vantage) (harness.SetClient, error) {
	c, err := r.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return setClient{c}, nil
}

type setClient struct{ *client }

func (c setClient) Add(ctx context.Context, set uint64, element int64) error {
	return c.produce(ctx, set, element)
}

// Elements returns the whole set in the order of the log, each element as
// often as it is there.
func (c setClient) Elements(ctx context.Context, set uint64) ([]int64, error) {
	var elements []int64
	err := c.reader.whole(ctx, c.running.partitionOf(set), func(of uint64, element int64) {
		if of == set {
			elements = append(elements, element)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read set %d: %w", set, err)
	}
	return elements, nil
}

// OpenQueue implements harness.QueueStore. A queue is the records of one
// partition that bear its number.
func (r *Running) OpenQueue(ctx context.Context, from harness.Vantage) (harness.QueueClient, error) {
	c, err := r.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return queueClient{c}, nil
}

type queueClient struct{ *client }

func (c queueClient) Enqueue(ctx context.Context, queue uint64, value int64) error {
	return c.produce(ctx, queue, value)
}

// Dequeue takes the next record of a queue and moves the queue's place on,
// which cannot fail: the place is the reader's own.
func (c queueClient) Dequeue(ctx context.Context, queue uint64) (value int64, found bool, err error) {
	partition := c.running.partitionOf(queue)
	place := c.running.places[partition]
	if err := place.take(ctx); err != nil {
		return 0, false, harness.Definite(fmt.Errorf("dequeue: %w", err))
	}
	defer place.give()
	for {
		if value, found := place.next(queue); found {
			return value, true, nil
		}
		more, err := c.reader.ahead(ctx, partition, place)
		if err != nil {
			return 0, false, harness.Definite(fmt.Errorf("dequeue: %w", err))
		}
		if !more {
			return 0, false, nil
		}
	}
}
