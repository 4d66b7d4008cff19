package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

// transact runs steps in one transaction. Until COMMIT leaves nothing can have
// taken effect: the server rolls back what a broken connection leaves open. An
// error of COMMIT itself is never certain.
func (u *client) transact(ctx context.Context, what string, steps func(*sql.Conn) error) error {
	if u.conn == nil {
		if err := u.connect(ctx); err != nil {
			return harness.Definite(fmt.Errorf("%s: %w", what, err))
		}
	}
	_, err := u.conn.ExecContext(ctx, "START TRANSACTION")
	if err == nil {
		err = steps(u.conn)
	}
	if err != nil {
		u.abandon(ctx, err)
		return harness.Definite(fmt.Errorf("%s: %w", what, err))
	}
	u.sent.Store(false)
	if _, err := u.conn.ExecContext(ctx, "COMMIT"); err != nil {
		sent := u.sent.Load()
		_ = u.drop() // whatever came of it, this session is done
		err = fmt.Errorf("%s: commit: %w", what, err)
		if !sent {
			return harness.Definite(err)
		}
		return err
	}
	return nil
}

// abandon ends a failed transaction, or the connection where that is not sure.
func (u *client) abandon(ctx context.Context, err error) {
	number := session.Number(err)
	fine := number != 0 && !misplaced[number] || errors.Is(err, errOverdraw)
	if fine {
		_, err := u.conn.ExecContext(ctx, "ROLLBACK")
		fine = err == nil
	}
	if !fine {
		_ = u.drop() // the server rolls back
	}
}

// OpenTransactions implements harness.TransactionStore.
func (c *cluster) OpenTransactions(ctx context.Context, from harness.Vantage) (harness.TransactionClient, error) {
	u, err := c.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &transactionClient{u}, nil
}

type transactionClient struct{ *client }

func (c *transactionClient) Transact(ctx context.Context, steps []harness.Step) error {
	return c.transact(ctx, "transaction", func(conn *sql.Conn) error {
		for i := range steps {
			if err := perform(ctx, conn, &steps[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func perform(ctx context.Context, conn *sql.Conn, s *harness.Step) error {
	switch s.Kind {
	case harness.StepAppend:
		_, err := conn.ExecContext(ctx, "INSERT INTO lists VALUES (?, ?) ON DUPLICATE KEY UPDATE elements = CONCAT(elements, ',', ?)",
			s.Key, strconv.FormatInt(s.Value, 10), strconv.FormatInt(s.Value, 10))
		return err
	case harness.StepReadList:
		var text string
		err := conn.QueryRowContext(ctx, "SELECT elements FROM lists WHERE id = ?", s.Key).Scan(&text)
		s.Values = []int64{}
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		for _, word := range strings.Split(text, ",") {
			n, err := strconv.ParseInt(word, 10, 64)
			if err != nil {
				return fmt.Errorf("element of list %d: %w", s.Key, err)
			}
			s.Values = append(s.Values, n)
		}
		return nil
	case harness.StepWrite:
		_, err := conn.ExecContext(ctx, writeRegister, s.Key, s.Value, s.Value)
		return err
	case harness.StepRead:
		err := conn.QueryRowContext(ctx, "SELECT value FROM registers WHERE id = ?", s.Key).Scan(&s.Value)
		s.Found = err == nil
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	}
	return fmt.Errorf("step of kind %d: MySQL has none", s.Kind)
}

// OpenBank implements harness.BankStore.
func (c *cluster) OpenBank(ctx context.Context, from harness.Vantage) (harness.BankClient, error) {
	u, err := c.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &bankClient{u}, nil
}

// bankClient moves money as applications do that compute themselves: it reads
// both balances, computes, and writes both. Whether that is safe is for the
// isolation level to say.
type bankClient struct{ *client }

var errOverdraw = errors.New("refused: the account would be overdrawn")

func (c *bankClient) Create(ctx context.Context, accounts []uint64, balance int64) error {
	return c.transact(ctx, "create accounts", func(conn *sql.Conn) error {
		for _, id := range accounts {
			if _, err := conn.ExecContext(ctx, "INSERT INTO accounts VALUES (?, ?)", id, balance); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *bankClient) Transfer(ctx context.Context, from, to uint64, amount int64) error {
	return c.transact(ctx, "transfer", func(conn *sql.Conn) error {
		balances, err := balances(ctx, conn, []uint64{from, to})
		if err != nil {
			return err
		}
		if balances[0] < amount {
			return errOverdraw
		}
		const update = "UPDATE accounts SET balance = ? WHERE id = ?"
		if _, err := conn.ExecContext(ctx, update, balances[0]-amount, from); err != nil {
			return err
		}
		_, err = conn.ExecContext(ctx, update, balances[1]+amount, to)
		return err
	})
}

func (c *bankClient) Balances(ctx context.Context, accounts []uint64) (out []int64, err error) {
	err = c.transact(ctx, "read balances", func(conn *sql.Conn) error {
		out, err = balances(ctx, conn, accounts)
		return err
	})
	return out, err
}

func balances(ctx context.Context, conn *sql.Conn, accounts []uint64) ([]int64, error) {
	out := make([]int64, len(accounts))
	for i, id := range accounts {
		if err := conn.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE id = ?", id).Scan(&out[i]); err != nil {
			return nil, fmt.Errorf("balance of account %d: %w", id, err)
		}
	}
	return out, nil
}
