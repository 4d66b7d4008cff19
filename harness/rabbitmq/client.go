package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hadrill/hadrill/harness"
)

const (
	declareLimit = 20 * time.Second
	openingLimit = 5 * time.Second
	emptyWait    = 10 * time.Millisecond // for a push, before a queue is held to be empty
)

// declareAll declares the queues at the first node.
func (r *Running) declareAll(ctx context.Context, from harness.Vantage) error {
	ctx, cancel := context.WithTimeout(ctx, declareLimit)
	defer cancel()
	l, err := r.declared.dial(ctx, from, r.addresses()[0])
	if err != nil {
		return fmt.Errorf("declare queues: %w", err)
	}
	defer l.close()
	defer context.AfterFunc(ctx, l.cut)()
	for q := range r.declared.queues() {
		if err := l.declare(r.declared, uint64(q)); err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}

// user is one virtual user, producer or consumer, connected to one node. After
// a failure it goes on with the next node. No message is published twice and no
// call repeated: the history must show each attempt.
type user struct {
	running *Running
	from    harness.Vantage
	addrs   []netip.AddrPort
	pulls   bool // asks for each message; its "empty" is then the queue's own word

	mu      sync.Mutex // an operation, or Quiesce
	at      int
	link    *link // nil while disconnected
	life    context.Context
	end     context.CancelFunc
	foreign map[uint64]bool // queues that were declared for it
}

// OpenQueue implements harness.QueueStore. Clients that are opened after
// Quiesce pull their messages one by one (basic.get), for a definitive read.
func (r *Running) OpenQueue(ctx context.Context, from harness.Vantage) (harness.QueueClient, error) {
	u := &user{running: r, from: from, addrs: r.addresses(), pulls: r.resting.Load(), foreign: map[uint64]bool{}}
	u.at = rand.IntN(len(u.addrs))
	u.life, u.end = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(ctx, openingLimit)
	defer cancel()
	if err := u.connect(ctx); err != nil {
		u.end()
		return nil, err
	}
	r.mu.Lock()
	r.users[u] = true
	r.mu.Unlock()
	return u, nil
}

// connect connects to the first node, from the current one on, that answers;
// u.mu is held, or nobody else has u yet.
func (u *user) connect(ctx context.Context) error {
	var errs []error
	for range u.addrs {
		l, err := u.running.declared.dial(ctx, u.from, u.addrs[u.at])
		if err == nil {
			u.link = l
			return nil
		}
		errs = append(errs, fmt.Errorf("connect to %s: %w", u.addrs[u.at], err))
		u.next()
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (u *user) next() { u.at = (u.at + 1) % len(u.addrs) }

// do performs an operation on a connection, and gives the connection up when it
// fails or ctx ends. What was never sent is Definite.
func (u *user) do(ctx context.Context, what string, operation func(context.Context, *link) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(u.life, cancel)() // Close ends what is under way
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.link == nil {
		if err := u.connect(ctx); err != nil {
			return harness.Definite(fmt.Errorf("%s: %w", what, err))
		}
	}
	l := u.link
	l.wire.sent.Store(false)
	watch := context.AfterFunc(ctx, l.cut)
	err := operation(ctx, l)
	inTime := watch()
	if err == nil && inTime {
		return nil
	}
	at := u.addrs[u.at]
	u.next()
	u.link = nil
	l.drop()
	switch {
	case err == nil:
		return nil // just in time
	case !inTime:
		err = fmt.Errorf("%s at %s: %w (%v)", what, at, ctx.Err(), err)
	default:
		err = fmt.Errorf("%s at %s: %w", what, at, err)
	}
	if !l.wire.sent.Load() || errors.Is(err, errUnroutable) {
		return harness.Definite(err)
	}
	return err
}

// known makes sure that a queue exists that was not declared at the start.
func (u *user) known(l *link, queue uint64) error {
	if queue < uint64(u.running.declared.queues()) || u.foreign[queue] {
		return nil
	}
	if err := l.declare(u.running.declared, queue); err != nil {
		return err
	}
	u.foreign[queue] = true
	return nil
}

// Enqueue implements harness.QueueClient.
func (u *user) Enqueue(ctx context.Context, queue uint64, value int64) error {
	return u.do(ctx, "enqueue", func(ctx context.Context, l *link) error {
		if err := u.known(l, queue); err != nil {
			return err
		}
		return l.publish(ctx, u.running.declared, queue, value)
	})
}

// Dequeue implements harness.QueueClient. Whatever fails before a message is in
// hand has taken nothing: what was on its way comes back to its queue, or is
// lost where it was acknowledged beforehand.
func (u *user) Dequeue(ctx context.Context, queue uint64) (value int64, found bool, err error) {
	if u.pulls {
		if value, found = u.running.handOver(queue); found {
			return value, true, nil
		}
	}
	err = u.do(ctx, "dequeue", func(ctx context.Context, l *link) error {
		value, found, err = u.take(ctx, l, queue)
		return err
	})
	if !found {
		err = harness.Definite(err)
	}
	return value, found, err
}

// take takes one message. What is given back comes again, soon and to anybody.
func (u *user) take(ctx context.Context, l *link, queue uint64) (value int64, found bool, err error) {
	if err := u.known(l, queue); err != nil {
		return 0, false, err
	}
	c := u.running.declared
	for {
		d, found, err := u.delivery(ctx, l, queue)
		if err != nil || !found {
			return 0, false, err
		}
		if value, err = valueOf(d); err != nil {
			return 0, false, err
		}
		switch {
		case c.AutoAck && !u.pulls:
			return value, true, nil
		case u.pulls || !reluctantly(value) || returned(d) >= c.GiveBack:
			return value, true, d.Ack(false)
		}
		// Every version counts a rejection; of other returns some do not.
		if err := d.Reject(true); err != nil {
			return 0, false, err
		}
	}
}

// reluctantly picks one value in sixteen, whatever pattern the values follow.
func reluctantly(value int64) bool { return uint64(value)*0x9e3779b97f4a7c15>>60 == 0 }

// delivery waits for one message, as long as it takes to say that there is none.
func (u *user) delivery(ctx context.Context, l *link, queue uint64) (d amqp.Delivery, found bool, err error) {
	if u.pulls {
		return l.channel.Get(queueName(queue), false)
	}
	p, err := l.subscribe(u.running.declared, queue)
	if err != nil {
		return d, false, err
	}
	patience := time.NewTimer(emptyWait)
	defer patience.Stop()
	select {
	case d, open := <-p.messages:
		if !open {
			return d, false, errCancelled
		}
		return d, true, nil
	case <-patience.C:
		return d, false, nil
	case <-ctx.Done():
		return d, false, ctx.Err()
	}
}

// rest gives back what the user holds, and returns what it cannot give back
// because it is acknowledged already. The user goes on when it is asked to.
func (u *user) rest() (kept map[uint64][]int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.link == nil {
		return nil
	}
	defer u.hangUp()
	if u.running.declared.AutoAck {
		defer time.AfterFunc(openingLimit, u.link.cut).Stop()
		return u.link.unsubscribe()
	}
	return nil
}

// hangUp disconnects in good order; u.mu is held.
func (u *user) hangUp() {
	if u.link != nil {
		u.link.close()
		u.link = nil
	}
}

// Close implements harness.QueueClient.
func (u *user) Close() error {
	u.end()
	u.running.mu.Lock()
	delete(u.running.users, u)
	u.running.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hangUp()
	return nil
}
