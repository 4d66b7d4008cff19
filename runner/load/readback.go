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

// read performs f on each key until it is answered or ctx ends. Every attempt
// is in the history.
func (b *back) read(ctx context.Context, f record.Function, keys []uint64) (err error) {
	var client Client
	defer func() {
		if client != nil {
			err = errors.Join(err, client.Close())
		}
	}()
	process := b.processes.Add(1) - 1
	for i := 0; i < len(keys); {
		if client == nil {
			opened, openErr := b.open(ctx, b.from)
			if openErr != nil {
				if pause(ctx) != nil {
					return fmt.Errorf("%d of %d keys read: open client: %w", i, len(keys), openErr)
				}
				continue
			}
			client = opened
		}
		readErr := b.attempt(ctx, client, f, keys[i], process)
		if readErr == nil {
			i++
			continue
		}
		_ = client.Close() // it has failed already
		client = nil
		if pause(ctx) != nil {
			return fmt.Errorf("%d of %d keys read: key %d: %w", i, len(keys), keys[i], readErr)
		}
	}
	return nil
}

// attempt is one read of one key.
func (b *back) attempt(ctx context.Context, client Client, f record.Function, key uint64, process uint32) error {
	ctx, cancel := context.WithTimeout(ctx, readBackAttempt)
	defer cancel()
	now := b.target.now()
	op := record.Op{Intended: now, Start: now, Lane: b.number, Function: f, Key: key, Process: process}
	err := client.Invoke(ctx, &op)
	op.End = b.target.now()
	op.Outcome = record.Ok
	if err != nil {
		op.Outcome = record.Fail
		op.Error = b.target.Recorder.ErrorClass(classify(err))
		op.Values = nil
	}
	b.sink.add(&op)
	return err
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
