package orders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	catchUpLimit = 50 * time.Millisecond // how long a replica may take to have what was seen
	// replicaLimit is how long one may take in all: the primary knows, too, and
	// behind one reader of a cached item wait all the others.
	replicaLimit = 200 * time.Millisecond
	replicaAway  = 2 * time.Second // how long one that did not answer is left alone
	selectPrice  = "SELECT price FROM items WHERE id = ?"
)

// reader reads from replicas in turn, and from the primary where none will do.
type reader struct {
	database *database

	mu   sync.Mutex
	turn int
	away map[netip.AddrPort]time.Time
}

// price reads an item. seen are the transactions (a GTID set) that the reader
// must see, "" for any.
func (r *reader) price(ctx context.Context, item uint64, seen string) (price int64, err error) {
	if at, ok := r.next(); ok {
		price, err = r.from(ctx, at, item, seen)
		if answered(err) {
			r.welcome(at)
		} else {
			r.leave(at)
		}
		if err == nil || errors.Is(err, sql.ErrNoRows) && seen != "" {
			return price, err
		}
		if ctx.Err() != nil {
			return 0, refused{fmt.Errorf("read item %d: %w", item, err)}
		}
	}
	err = r.database.onPrimary(ctx, func(pool *sql.DB) error { return pool.QueryRowContext(ctx, selectPrice, item).Scan(&price) })
	if err != nil {
		return 0, refused{fmt.Errorf("read item %d: %w", item, err)}
	}
	return price, nil
}

// next is the replica whose turn it is, if there is one. A replica that did not
// answer is asked again by one request at a time: whoever finds out that it is
// still away pays for it with its patience.
func (r *reader) next() (netip.AddrPort, bool) {
	all := r.database.replicas()
	r.mu.Lock()
	defer r.mu.Unlock()
	for range all {
		r.turn++
		at := all[r.turn%len(all)]
		until, doubted := r.away[at]
		if time.Now().Before(until) {
			continue
		}
		if doubted {
			r.away[at] = time.Now().Add(replicaAway)
		}
		return at, true
	}
	return netip.AddrPort{}, false
}

// leave has a replica left alone for a while.
func (r *reader) leave(at netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away[at] = time.Now().Add(replicaAway)
}

// welcome has it asked as any other.
func (r *reader) welcome(at netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.away, at)
}

// answered tells whether a replica was there, whatever it said.
func answered(err error) bool {
	return err == nil || number(err) != 0 || errors.Is(err, errLate) || errors.Is(err, sql.ErrNoRows)
}

var errLate = errors.New("the replica does not have what was seen")

func (r *reader) from(ctx context.Context, at netip.AddrPort, item uint64, seen string) (price int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, replicaLimit)
	defer cancel()
	pool := r.database.servers[at]
	if seen != "" {
		var late bool
		query := fmt.Sprintf("SELECT WAIT_FOR_EXECUTED_GTID_SET(?, %g)", catchUpLimit.Seconds())
		if err := pool.QueryRowContext(ctx, query, seen).Scan(&late); err != nil {
			return 0, err
		}
		if late {
			return 0, errLate
		}
	}
	err = pool.QueryRowContext(ctx, selectPrice, item).Scan(&price)
	return price, err
}

// seen is what a customer who has just written must see from now on: all that
// the primary has done, which is more than needed and never less.
func (s *Service) seen(ctx context.Context) (set string, err error) {
	err = s.database.onPrimary(ctx, func(pool *sql.DB) error {
		return pool.QueryRowContext(ctx, "SELECT @@global.gtid_executed").Scan(&set)
	})
	return set, err
}

// setPrice changes an item.
func (s *Service) setPrice(ctx context.Context, item uint64, price int64) error {
	return s.database.transact(ctx, sql.LevelDefault, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO items VALUES (?, ?) ON DUPLICATE KEY UPDATE price = ?", item, price, price)
		return err
	})
}
