package orders

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	connectLimit = 500 * time.Millisecond
	locateLimit  = 250 * time.Millisecond
	askPause     = 50 * time.Millisecond // between two questions to the manager
	poolSize     = 32
)

// database knows the servers, and which of them is the primary. Safe for
// concurrent use.
type database struct {
	servers map[netip.AddrPort]*sql.DB
	order   []netip.AddrPort
	manager netip.AddrPort
	web     *http.Client
	say     func(string)

	mu      sync.Mutex
	primary netip.AddrPort
	doubted bool // ask the manager before the next use
	asked   time.Time
}

func openDatabase(servers []netip.AddrPort, manager netip.AddrPort, say func(string)) (*database, error) {
	d := &database{
		servers: map[netip.AddrPort]*sql.DB{}, order: servers, manager: manager, say: say, primary: servers[0],
		doubted: manager.IsValid(),
		web:     &http.Client{Timeout: locateLimit, Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
	}
	for _, at := range servers {
		c := mysql.NewConfig()
		c.User, c.Net, c.Addr, c.DBName = "drill", "tcp", at.String(), "drill"
		c.Timeout = connectLimit
		c.InterpolateParams = true // one round trip a statement
		c.Logger = &mysql.NopLogger{}
		connector, err := mysql.NewConnector(c)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connect to MySQL at %s: %w", at, err), d.close())
		}
		pool := sql.OpenDB(connector)
		pool.SetMaxOpenConns(poolSize)
		pool.SetMaxIdleConns(poolSize)
		d.servers[at] = pool
	}
	return d, nil
}

func (d *database) close() error {
	d.web.CloseIdleConnections()
	var errs []error
	for _, pool := range d.servers {
		errs = append(errs, pool.Close())
	}
	return errors.Join(errs...)
}

// locate returns the pool of the primary, as far as is known. A manager that is
// away changes nothing: what it said last still holds.
func (d *database) locate(ctx context.Context) (*sql.DB, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.doubted && time.Since(d.asked) >= askPause {
		d.asked = time.Now()
		at, err := d.askManager(ctx)
		if err == nil {
			if at != d.primary {
				d.say(fmt.Sprintf("orders: the primary is %s", at))
			}
			d.primary, d.doubted = at, false
		}
	}
	pool := d.servers[d.primary]
	if pool == nil {
		return nil, fmt.Errorf("the primary %s is none of the servers", d.primary)
	}
	return pool, nil
}

func (d *database) askManager(ctx context.Context) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, locateLimit)
	defer cancel()
	var decision struct {
		Addr netip.AddrPort `json:"addr"`
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.manager.String()+"/primary", nil)
	if err != nil {
		return netip.AddrPort{}, err
	}
	answer, err := d.web.Do(request)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("ask who is primary: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return netip.AddrPort{}, fmt.Errorf("ask who is primary: %s", answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(&decision); err != nil {
		return netip.AddrPort{}, fmt.Errorf("ask who is primary: %w", err)
	}
	return decision.Addr, nil
}

// doubt has the manager asked before the next use.
func (d *database) doubt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doubted = d.manager.IsValid()
}

// onPrimary performs f on the primary. After an error that a working primary
// does not give, the manager is asked who is primary now.
func (d *database) onPrimary(ctx context.Context, f func(*sql.DB) error) error {
	pool, err := d.locate(ctx)
	if err != nil {
		return err
	}
	if err = f(pool); err != nil && !healthy(err) {
		d.doubt()
	}
	return err
}

// transact performs f in one transaction on the primary.
func (d *database) transact(ctx context.Context, isolation sql.IsolationLevel, f func(*sql.Tx) error) error {
	return d.onPrimary(ctx, func(pool *sql.DB) error {
		tx, err := pool.BeginTx(ctx, &sql.TxOptions{Isolation: isolation})
		if err != nil {
			return refused{fmt.Errorf("begin: %w", err)}
		}
		if err := f(tx); err != nil {
			rolled := tx.Rollback()
			if errors.Is(rolled, sql.ErrTxDone) || errors.Is(rolled, driver.ErrBadConn) || errors.Is(rolled, mysql.ErrInvalidConn) {
				rolled = nil // it went with its connection
			}
			return refused{errors.Join(err, rolled)}
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	})
}

// refused is an error after which it is certain that nothing was committed.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

const (
	duplicateEntry  = 1062
	lockWaitTimeout = 1205
	deadlock        = 1213
)

// number is the code of an error that the server answered, else 0.
func number(err error) uint16 {
	var said *mysql.MySQLError
	if errors.As(err, &said) {
		return said.Number
	}
	return 0
}

// healthy tells whether a working primary gives such an error too.
func healthy(err error) bool {
	switch number(err) {
	case duplicateEntry, lockWaitTimeout, deadlock:
		return true
	}
	return errors.Is(err, sql.ErrNoRows)
}

// replicas are the servers that are not the primary, as far as is known.
func (d *database) replicas() []netip.AddrPort {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []netip.AddrPort
	for _, at := range d.order {
		if at != d.primary {
			all = append(all, at)
		}
	}
	return all
}

// Schema makes the service's tables. An account that may create tables performs
// the statements, in the database "drill", once before the service starts.
func Schema() []string {
	return []string{
		`CREATE TABLE drill.orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, job BIGINT UNSIGNED NOT NULL,
		 idempotency VARCHAR(64) NULL UNIQUE, published TINYINT NOT NULL DEFAULT 0)`,
		`CREATE TABLE drill.outbox (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id BIGINT UNSIGNED NOT NULL, job BIGINT UNSIGNED NOT NULL)`,
		`CREATE TABLE drill.queue (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id BIGINT UNSIGNED NOT NULL, job BIGINT UNSIGNED NOT NULL)`,
		`CREATE TABLE drill.effects (n BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id BIGINT UNSIGNED NOT NULL UNIQUE, job BIGINT UNSIGNED NOT NULL)`,
		`CREATE TABLE drill.items (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, price BIGINT NOT NULL)`,
	}
}
