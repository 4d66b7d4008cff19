package orders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Order is what the bus carries about an order.
type Order struct {
	ID  uint64 `json:"id"`
	Job uint64 `json:"job"` // what the customer calls it
}

// place stores an order and the message about it. An order with a key that was
// placed before is found and not stored again; replayed tells that.
func (s *Service) place(ctx context.Context, job uint64, key string) (order Order, replayed bool, err error) {
	order = Order{Job: job}
	var unique any // NULL is never a duplicate
	if key != "" && !s.config.NoIdempotency {
		unique = key
	}
	err = s.database.transact(ctx, sql.LevelDefault, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "INSERT INTO orders (job, idempotency) VALUES (?, ?)", job, unique)
		if err != nil {
			return err
		}
		id, err := result.LastInsertId()
		if err != nil {
			return fmt.Errorf("id of the order: %w", err)
		}
		order.ID = uint64(id)
		if s.config.NoOutbox {
			return nil
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO outbox (order_id, job) VALUES (?, ?)", order.ID, job)
		return err
	})
	if number(err) == duplicateEntry {
		order.ID, err = s.placed(ctx, key)
		return order, true, err
	}
	if err == nil {
		s.tell(order)
	}
	return order, false, err
}

// placed returns the order that has a key.
func (s *Service) placed(ctx context.Context, key string) (id uint64, err error) {
	err = s.database.onPrimary(ctx, func(pool *sql.DB) error {
		return pool.QueryRowContext(ctx, "SELECT id FROM orders WHERE idempotency = ?", key).Scan(&id)
	})
	if err != nil {
		return 0, fmt.Errorf("order of a repeated request: %w", err)
	}
	return id, nil
}

// Pending returns how many orders have a message that is still on its way.
// Without an outbox an order whose message was lost has none.
func (s *Service) Pending(ctx context.Context) (n int, err error) {
	const query = "SELECT (SELECT COUNT(*) FROM outbox) + (SELECT COUNT(*) FROM queue) + " +
		"(SELECT COUNT(*) FROM orders LEFT JOIN effects ON effects.order_id = orders.id WHERE orders.published AND effects.n IS NULL)"
	err = s.database.onPrimary(ctx, func(pool *sql.DB) error { return pool.QueryRowContext(ctx, query).Scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("count pending orders: %w", err)
	}
	return n + s.untold(), nil
}

// Effects returns the jobs of all effects, in the order in which they were made.
func (s *Service) Effects(ctx context.Context) (jobs []uint64, err error) {
	err = s.database.onPrimary(ctx, func(pool *sql.DB) error {
		rows, err := pool.QueryContext(ctx, "SELECT job FROM effects ORDER BY n")
		if err != nil {
			return err
		}
		for rows.Next() {
			var job uint64
			if err := rows.Scan(&job); err != nil {
				return errors.Join(err, rows.Close())
			}
			jobs = append(jobs, job)
		}
		return errors.Join(rows.Err(), rows.Close())
	})
	if err != nil {
		return nil, fmt.Errorf("read effects: %w", err)
	}
	return jobs, nil
}
