package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

const (
	dialLimit   = 250 * time.Millisecond
	locateLimit = 250 * time.Millisecond
)

// client is one virtual user: one connection to the primary, made when it is
// needed and given up at the first error that leaves its state in doubt. No
// operation is ever repeated: the history must show each attempt. (The pool of
// database/sql repeats on bad connections; a pinned connection does not.)
type client struct {
	cluster *cluster
	from    harness.Vantage
	primary netip.AddrPort
	db      *sql.DB
	conn    *sql.Conn
	sent    atomic.Bool // a byte has left since the operation began
}

func (c *cluster) open(ctx context.Context, from harness.Vantage) (*client, error) {
	u := &client{cluster: c, from: from}
	if err := u.connect(ctx); err != nil {
		return nil, fmt.Errorf("connect to the primary: %w", err)
	}
	return u, nil
}

// connect finds the primary and connects to it.
func (u *client) connect(ctx context.Context) error {
	finding, cancel := context.WithTimeout(ctx, locateLimit)
	primary, err := u.cluster.locate(finding, u.from, u.primary)
	cancel()
	if err != nil {
		return fmt.Errorf("find the primary: %w", err)
	}
	u.primary = primary
	return u.attach(ctx, primary)
}

// attach connects to a server.
func (u *client) attach(ctx context.Context, addr netip.AddrPort) error {
	config := session.Config(addr, session.Application, u.dial)
	if u.cluster.isolation != "" {
		config.Params = map[string]string{"transaction_isolation": "'" + hyphenated(u.cluster.isolation) + "'"}
	}
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return err
	}
	u.db = sql.OpenDB(connector)
	dialling, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	if u.conn, err = u.db.Conn(dialling); err != nil {
		return errors.Join(err, u.drop())
	}
	return nil
}

// dial connects through the vantage and watches whether a request has left:
// that tells what is certain not to have happened.
func (u *client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := u.from.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn, sent: &u.sent}, nil
}

type wire struct {
	net.Conn
	sent *atomic.Bool
}

func (w *wire) Write(b []byte) (int, error) {
	w.sent.Store(true)
	return w.Conn.Write(b)
}

// drop gives the connection up; the next operation finds the primary anew.
func (u *client) drop() error {
	var errs []error
	if u.conn != nil {
		if err := u.conn.Close(); !errors.Is(err, driver.ErrBadConn) && !errors.Is(err, sql.ErrConnDone) {
			errs = append(errs, err)
		}
		u.conn = nil
	}
	if u.db != nil {
		errs = append(errs, u.db.Close())
		u.db = nil
	}
	return errors.Join(errs...)
}

// Close disconnects.
func (u *client) Close() error { return u.drop() }

// Errors of the server that mean that a statement was refused or rolled back.
// Errors of replication plugins (3100, 3101) are none of them: a member that
// leaves its group raises them for transactions that the others may commit.
var refusals = map[uint16]bool{
	1040: true, // too many connections
	1205: true, // lock wait timeout: the statement was rolled back
	1213: true, // deadlock: the transaction was rolled back
	1290: true, // read-only
	1836: true, // read-only mode
	3572: true, // NOWAIT
}

// misplaced are the errors that say: not here, ask who is primary.
var misplaced = map[uint16]bool{1290: true, 1836: true, 3032: true, 1053: true, 3100: true, 3101: true}

// do runs one operation of a single statement and says what is known of it.
func (u *client) do(ctx context.Context, what string, operation func(*sql.Conn) error) error {
	if u.conn == nil {
		if err := u.connect(ctx); err != nil {
			return harness.Definite(fmt.Errorf("%s: %w", what, err))
		}
	}
	u.sent.Store(false)
	err := operation(u.conn)
	if err == nil || errors.Is(err, sql.ErrNoRows) || errors.Is(err, errNotCaughtUp) || errors.Is(err, errIsSource) {
		return err // answers, all of them
	}
	err = fmt.Errorf("%s: %w", what, err)
	number := session.Number(err)
	if number == 0 || misplaced[number] {
		_ = u.drop() // it has failed already
	}
	if refusals[number] || !u.sent.Load() {
		return harness.Definite(err)
	}
	return err
}

// hyphenated turns "REPEATABLE READ" into the variable's spelling.
func hyphenated(level string) string {
	out := []byte(level)
	for i, b := range out {
		if b == ' ' {
			out[i] = '-'
		}
	}
	return string(out)
}
