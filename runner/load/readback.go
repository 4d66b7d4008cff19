package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// The bounds of a definitive read. One attempt may take long: it reads all
// that a run has written.
const (
	readBackLimit   = 30 * time.Second
	readBackAttempt = 10 * time.Second
	readBackPause   = 200 * time.Millisecond
)

// back makes the definitive read: a client of its own, opened anew after
// healing, so that nothing learnt during the fault can colour the answer.
type back struct {
	target    Target
	number    uint8
	from      harness.Vantage
	open      dial
	lanes     []*lane
	processes *atomic.Uint32
	sink      *sink

	client  Client // nil while disconnected
	process uint32
}

// planned calls see with every operation that was planned so far, to learn
// which keys were used.
func (b *back) planned(see func(*record.Op)) {
	for _, l := range b.lanes {
		l.lead.take()
		n := l.base
		l.lead.give()
		var op record.Op
		for i := range n {
			op = record.Op{}
			l.plan(i, &op)
			see(&op)
		}
	}
}

// keys returns the keys of planned operations, in order.
func (b *back) keys() []uint64 {
	seen := map[uint64]bool{}
	b.planned(func(op *record.Op) { seen[op.Key] = true })
	keys := make([]uint64, 0, len(seen))
	for k := range seen {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// read performs f on each key until it is answered or ctx ends.
func (b *back) read(ctx context.Context, f record.Function, keys []uint64) error {
	ops := make([]record.Op, len(keys))
	for i, k := range keys {
		ops[i] = record.Op{Function: f, Key: k}
	}
	return b.perform(ctx, ops...)
}

// perform performs each operation until it is answered or ctx ends, and fills
// in the answer. Every attempt is in the history.
func (b *back) perform(ctx context.Context, ops ...record.Op) error {
	for i := range ops {
		if err := b.insist(ctx, func(c Client) error {
			asked := ops[i]
			if err := b.attempt(ctx, c, &asked); err != nil {
				return fmt.Errorf("key %d: %w", asked.Key, err)
			}
			ops[i] = asked
			return nil
		}); err != nil {
			return errors.Join(fmt.Errorf("%d of %d operations answered: %w", i, len(ops), err), b.hangUp())
		}
	}
	return b.hangUp()
}

// insist calls do with a connected client until it succeeds or ctx ends; a
// client that failed is replaced.
func (b *back) insist(ctx context.Context, do func(Client) error) error {
	for {
		err := b.dial(ctx)
		if err == nil {
			if err = do(b.client); err == nil {
				return nil
			}
			_ = b.hangUp() // it has failed already
		}
		if pause(ctx) != nil {
			return err
		}
	}
}

// pause waits between two attempts.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(readBackPause):
		return nil
	}
}

// dial connects, as a new process.
func (b *back) dial(ctx context.Context) error {
	if b.client != nil {
		return nil
	}
	c, err := b.open(ctx, b.from)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	b.client, b.process = c, b.processes.Add(1)-1
	return nil
}

// hangUp disconnects.
func (b *back) hangUp() error {
	if b.client == nil {
		return nil
	}
	c := b.client
	b.client = nil
	return c.Close()
}

// attempt performs op once and records it.
func (b *back) attempt(ctx context.Context, client Client, op *record.Op) error {
	ctx, cancel := context.WithTimeout(ctx, readBackAttempt)
	defer cancel()
	op.Lane, op.Process = b.number, b.process
	op.Intended = b.target.now()
	op.Start = op.Intended
	err := client.Invoke(ctx, op)
	op.End = b.target.now()
	settle(op, err)
	if err != nil {
		op.Error = b.target.Recorder.ErrorClass(classify(err))
	}
	b.sink.add(op)
	return err
}
