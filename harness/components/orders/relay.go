package orders

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	relayLimit = 6 * time.Second        // of one round: longer than a delivery
	retryWait  = 100 * time.Millisecond // after a failure
	hasteLimit = 500 * time.Millisecond // how long messages are gathered without an outbox
)

// tell has the message about an order published: by the relay, which is woken;
// or, without an outbox, from this process's memory, which dies with it.
func (s *Service) tell(o Order) {
	if s.config.NoOutbox {
		s.mu.Lock()
		s.unsent = append(s.unsent, o)
		s.mu.Unlock()
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// untold is how many messages are only in this process's memory.
func (s *Service) untold() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unsent)
}

// relay publishes what is in the outbox until ctx ends. Every instance has one;
// they share the work by locking rows.
func (s *Service) relay(ctx context.Context) {
	said := false
	for ctx.Err() == nil {
		n, err := s.round(ctx)
		switch {
		case err != nil:
			if !said && ctx.Err() == nil {
				said = true
				s.config.Say(fmt.Sprintf("orders: cannot publish, goes on trying: %v", err))
			}
			rest(ctx, retryWait)
		case n == 0:
			if said {
				said = false
				s.config.Say("orders: publishes again")
			}
			s.doze(ctx)
		}
	}
}

// doze waits for an order, or for a moment: others may have left some.
func (s *Service) doze(ctx context.Context) {
	t := time.NewTimer(retryWait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-t.C:
	}
}

// round publishes a batch. The rows go after the bus has acknowledged; when
// that fails the messages are published again.
func (s *Service) round(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, relayLimit)
	defer cancel()
	if s.config.NoOutbox {
		return s.haste(ctx)
	}
	err = s.database.transact(ctx, sql.LevelReadCommitted, func(tx *sql.Tx) error {
		rows, orders, err := take(ctx, tx, "outbox")
		if n = len(rows); err != nil || n == 0 {
			return err
		}
		if err := s.bus.Publish(ctx, orders); err != nil {
			return err
		}
		if err := published(ctx, tx, orders); err != nil {
			return err
		}
		return drop(ctx, tx, "outbox", rows)
	})
	if err == nil {
		s.metrics.published.Add(float64(n))
	}
	return n, err
}

func published(ctx context.Context, tx *sql.Tx, orders []Order) error {
	_, err := tx.ExecContext(ctx, "UPDATE orders SET published = 1 WHERE id IN ("+ids(orders)+")")
	return err
}

// haste publishes from memory what has gathered there.
func (s *Service) haste(ctx context.Context) (int, error) {
	rest(ctx, hasteLimit)
	s.mu.Lock()
	orders := s.unsent
	s.unsent = nil
	s.mu.Unlock()
	if len(orders) == 0 {
		return 0, nil
	}
	if err := s.bus.Publish(ctx, orders); err != nil {
		return 0, fmt.Errorf("%d messages are lost: %w", len(orders), err)
	}
	s.metrics.published.Add(float64(len(orders)))
	return len(orders), s.database.transact(ctx, sql.LevelReadCommitted, func(tx *sql.Tx) error { return published(ctx, tx, orders) })
}
