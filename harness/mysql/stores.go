package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hadrill/hadrill/harness"
)

// OpenSet implements harness.SetStore.
func (c *cluster) OpenSet(ctx context.Context, from harness.Vantage) (harness.SetClient, error) {
	u, err := c.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &setClient{u}, nil
}

type setClient struct{ *client }

func (c *setClient) Add(ctx context.Context, set uint64, element int64) error {
	return c.do(ctx, "add to set", func(conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, "INSERT INTO sets VALUES (?, ?)", set, element)
		return err
	})
}

func (c *setClient) Elements(ctx context.Context, set uint64) (elements []int64, err error) {
	err = c.do(ctx, "read set", func(conn *sql.Conn) error {
		elements, err = integers(conn.QueryContext(ctx, "SELECT element FROM sets WHERE id = ?", set))
		return err
	})
	return elements, err
}

// integers reads a column of integers to its end.
func integers(rows *sql.Rows, err error) (out []int64, _ error) {
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		out = append(out, n)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// OpenRegisters implements harness.RegisterStore. Where the declaration says
// so, reads go to replicas.
func (c *cluster) OpenRegisters(ctx context.Context, from harness.Vantage) (harness.RegisterClient, error) {
	u, err := c.open(ctx, from)
	if err != nil {
		return nil, err
	}
	r := &registerClient{client: u}
	if c.reads != FromSource {
		r.reader = newReader(c, from)
		r.note(ctx, u.conn) // a session sees at least what there was when it began
	}
	return r, nil
}

type registerClient struct {
	*client
	reader *reader // nil: reads go to the primary
}

func (c *registerClient) Read(ctx context.Context, key uint64) (value int64, found bool, err error) {
	if c.reader != nil {
		value, found, err = c.reader.read(ctx, key)
		if err == nil || !errors.Is(err, errNotCaughtUp) {
			return value, found, err
		}
	}
	err = c.do(ctx, "read register", func(conn *sql.Conn) error {
		return conn.QueryRowContext(ctx, selectRegister, key).Scan(&value)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return value, err == nil, err
}

func (c *registerClient) Close() error {
	if c.reader != nil {
		return errors.Join(c.client.Close(), c.reader.close())
	}
	return c.client.Close()
}

const selectRegister = "SELECT value FROM registers WHERE id = ?"

const writeRegister = "INSERT INTO registers VALUES (?, ?) ON DUPLICATE KEY UPDATE value = ?"

func (c *registerClient) Write(ctx context.Context, key uint64, value int64) error {
	return c.do(ctx, "write register", func(conn *sql.Conn) error {
		if _, err := conn.ExecContext(ctx, writeRegister, key, value, value); err != nil {
			return err
		}
		c.note(ctx, conn)
		return nil
	})
}

// note keeps what the session's own writes are part of, for reads that must
// see them. The whole set of the primary's transactions is more than needed
// and never less.
func (c *registerClient) note(ctx context.Context, conn *sql.Conn) {
	if c.reader == nil || c.reader.cluster.reads != FromCaughtUp {
		return
	}
	if err := conn.QueryRowContext(ctx, "SELECT @@global.gtid_executed").Scan(&c.reader.seen); err != nil {
		c.reader.seen = unknown
	}
}

func (c *registerClient) CompareAndSet(ctx context.Context, key uint64, old, new int64) (swapped bool, err error) {
	err = c.do(ctx, "compare and set register", func(conn *sql.Conn) error {
		result, err := conn.ExecContext(ctx, "UPDATE registers SET value = ? WHERE id = ? AND value = ?", new, key, old)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("rows affected: %w", err)
		}
		swapped = n == 1
		c.note(ctx, conn)
		return nil
	})
	return swapped, err
}
