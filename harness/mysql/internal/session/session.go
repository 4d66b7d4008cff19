// Package session keeps one connection to one MySQL server, for those who
// watch or manage it: questions with a deadline, nothing shared, nothing
// retried in hiding.
//
//	Session ── database/sql, at most one connection ── go-sql-driver ── mysqld
//
// A question that is not answered in time costs the connection, so that a late
// answer is never taken for the next one's; the next question dials anew.
package session

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/go-sql-driver/mysql"
)

// The accounts of the images' drill.sql.
const (
	Application = "drill"   // may use the drill's tables and nothing else
	Manager     = "manager" // may do everything; also what replicas connect as
	Schema      = "drill"
	Port        = 3306
)

// Dial connects to "IP:port".
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Session is a connection to one server that is made when it is needed. It is
// safe for concurrent use; questions queue.
type Session struct {
	addr netip.AddrPort
	db   *sql.DB
}

// Config is how to connect to a server as a user.
func Config(addr netip.AddrPort, user string, dial Dial) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = user, "tcp", addr.String()
	c.DialFunc = dial
	c.InterpolateParams = true // one round trip a statement
	c.Logger = &mysql.NopLogger{}
	if user == Application {
		c.DBName = Schema
	}
	return c
}

// New returns a session that has not connected yet.
func New(addr netip.AddrPort, user string, dial Dial) (*Session, error) {
	connector, err := mysql.NewConnector(Config(addr, user, dial))
	if err != nil {
		return nil, fmt.Errorf("session with %s: %w", addr, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	return &Session{addr: addr, db: db}, nil
}

// Addr is the server's address.
func (s *Session) Addr() netip.AddrPort { return s.addr }

// Close drops the connection.
func (s *Session) Close() error { return s.db.Close() }

// Exec performs statements in turn, stopping at the first that fails.
func (s *Session) Exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s on %s: %w", statement, s.addr, err)
		}
	}
	return nil
}

// Scan reads the one row of a query into dest.
func (s *Session) Scan(ctx context.Context, query string, dest ...any) error {
	if err := s.db.QueryRowContext(ctx, query).Scan(dest...); err != nil {
		return fmt.Errorf("%s on %s: %w", query, s.addr, err)
	}
	return nil
}

// Rows reads all rows of a query, each as column name to text; NULL is "".
func (s *Session) Rows(ctx context.Context, query string) (out []map[string]string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s on %s: %w", query, s.addr, err)
		}
	}()
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make(map[string]string, len(columns))
		for i, name := range columns {
			row[name] = values[i].String
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// Row reads the first row of a query, an empty map when there is none.
func (s *Session) Row(ctx context.Context, query string) (map[string]string, error) {
	rows, err := s.Rows(ctx, query)
	if err != nil || len(rows) == 0 {
		return map[string]string{}, err
	}
	return rows[0], nil
}

// Number is the code of an error that the server itself answered, 0 for any
// other error.
func Number(err error) uint16 {
	var said *mysql.MySQLError
	if errors.As(err, &said) {
		return said.Number
	}
	return 0
}
