package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hadrill/hadrill/harness"
)

const (
	dialLimit = 500 * time.Millisecond // to be connected and greeted
	byeLimit  = 250 * time.Millisecond // to close in good order
)

// link is one connection with one channel. amqp091-go knows no contexts: a call
// that a node does not answer ends when the connection is cut underneath it.
type link struct {
	wire    *wire
	conn    *amqp.Connection
	channel *amqp.Channel
	gone    chan *amqp.Error // closed when the library has given the connection up
	returns chan amqp.Return // messages that no queue would take
	pushes  map[uint64]push  // by queue
}

// push is a subscription to a queue.
type push struct {
	tag      string
	messages <-chan amqp.Delivery
}

// wire is the connection underneath, and watches whether a request has left:
// that tells what is certain not to have happened.
type wire struct {
	net.Conn
	sent atomic.Bool
}

func (w *wire) Write(b []byte) (int, error) {
	w.sent.Store(true)
	return w.Conn.Write(b)
}

// dial connects to a node and makes the channel ready for both directions.
func (c Cluster) dial(ctx context.Context, from harness.Vantage, addr netip.AddrPort) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := from.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	l := &link{wire: &wire{Conn: conn}, pushes: map[uint64]push{}, gone: make(chan *amqp.Error, 1)}
	watch := context.AfterFunc(ctx, l.cut)
	err = l.greet(c)
	if !watch() {
		err = fmt.Errorf("greeting: %w", context.Cause(ctx))
	}
	if err != nil {
		l.drop()
		return nil, err
	}
	return l, nil
}

// greet performs the handshakes.
func (l *link) greet(c Cluster) (err error) {
	l.conn, err = amqp.Open(l.wire, amqp.Config{
		SASL:  []amqp.Authentication{&amqp.PlainAuth{Username: "guest", Password: "guest"}},
		Vhost: "/", Heartbeat: c.heartbeat(), Locale: "en_US", FrameSize: 1 << 16,
	})
	if err != nil {
		l.conn = nil
		return fmt.Errorf("greeting: %w", err)
	}
	l.conn.NotifyClose(l.gone)
	if l.channel, err = l.conn.Channel(); err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	if err = l.channel.Qos(c.prefetch(), 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	if c.NoConfirms {
		return nil
	}
	if err = l.channel.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	l.returns = l.channel.NotifyReturn(make(chan amqp.Return, 1))
	return nil
}

// cut breaks the connection, so that whatever waits on it ends.
func (l *link) cut() { _ = l.wire.Close() }

// drop cuts the connection and waits until the library has noticed.
func (l *link) drop() {
	l.cut()
	if l.conn != nil {
		for range l.gone { // closed in the end
		}
	}
}

// close ends the connection in good order, so that the node gives what this
// consumer holds back to its queue at once; a node that does not answer is cut.
func (l *link) close() {
	_ = l.conn.CloseDeadline(time.Now().Add(byeLimit)) // the other end need not live
	l.drop()
}

// publish returns nil once the message is confirmed, or written where there
// are no confirms. errUnroutable is the only refusal.
func (l *link) publish(ctx context.Context, c Cluster, queue uint64, value int64) error {
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: strconv.AppendInt(nil, value, 10)}
	if c.NoConfirms {
		return l.channel.Publish("", queueName(queue), false, false, message)
	}
	confirm, err := l.channel.PublishWithDeferredConfirm("", queueName(queue), true, false, message)
	if err != nil {
		return err
	}
	confirmed, err := confirm.WaitContext(ctx)
	switch {
	case err != nil:
		return err
	case !confirmed:
		return errRefused
	}
	select { // a returned message comes before its confirm
	case <-l.returns:
		return errUnroutable
	default:
		return nil
	}
}

var (
	// errRefused may come after the message was taken: when the queue's leader
	// dies, and also when the connection does.
	errRefused    = errors.New("the confirm was negative, or the connection broke before it")
	errUnroutable = errors.New("no queue takes the message")
	errCancelled  = errors.New("the node ended the subscription")
)

// subscribe has a queue's messages pushed from now on.
func (l *link) subscribe(c Cluster, queue uint64) (push, error) {
	if p, subscribed := l.pushes[queue]; subscribed {
		return p, nil
	}
	p := push{tag: "hadrill-" + strconv.FormatUint(queue, 10)}
	messages, err := l.channel.Consume(queueName(queue), p.tag, c.AutoAck, false, false, false, nil)
	if err != nil {
		return push{}, fmt.Errorf("subscribe to %s: %w", queueName(queue), err)
	}
	p.messages = messages
	l.pushes[queue] = p
	return p, nil
}

// unsubscribe ends the subscriptions and returns what had been delivered.
func (l *link) unsubscribe() map[uint64][]int64 {
	delivered := map[uint64][]int64{}
	for queue, p := range l.pushes {
		_ = l.channel.Cancel(p.tag, false) // on a broken connection the channel below is closed as well
		for d := range p.messages {
			if value, err := valueOf(d); err == nil {
				delivered[queue] = append(delivered[queue], value)
			}
		}
	}
	clear(l.pushes)
	return delivered
}

func valueOf(d amqp.Delivery) (int64, error) {
	value, err := strconv.ParseInt(string(d.Body), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("message from %s: %w", d.RoutingKey, err)
	}
	return value, nil
}

// returned is how often a message has come back to its queue, as quorum queues
// count it (https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling).
func returned(d amqp.Delivery) int {
	n, _ := d.Headers["x-delivery-count"].(int64) // none at first
	return int(n)
}

// declare makes a queue, or makes sure that it is there.
func (l *link) declare(c Cluster, queue uint64) error {
	arguments := amqp.Table{"x-queue-type": string(c.kind())}
	if c.kind() == Quorum {
		arguments["x-quorum-initial-group-size"] = c.Nodes
		arguments["x-queue-leader-locator"] = "client-local"
	}
	if c.DeliveryLimit != 0 {
		arguments["x-delivery-limit"] = c.DeliveryLimit
	}
	if _, err := l.channel.QueueDeclare(queueName(queue), true, false, false, false, arguments); err != nil {
		return fmt.Errorf("declare %s: %w", queueName(queue), err)
	}
	return nil
}

func queueName(queue uint64) string { return "queue-" + strconv.FormatUint(queue, 10) }
