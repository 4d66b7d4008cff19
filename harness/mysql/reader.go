package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

// Reads says where registers are read from. Closed.
type Reads string

// The places to read from.
const (
	FromSource Reads = "" // what is acknowledged is seen
	// FromReplicas spreads reads over whoever answers, however far behind.
	FromReplicas Reads = "replicas"
	// FromCaughtUp reads from a replica once it has what the session wrote
	// (WAIT_FOR_EXECUTED_GTID_SET), and from the source if that takes too long.
	FromCaughtUp Reads = "caught-up replicas"
)

func (r Reads) known() bool { return r == FromSource || r == FromReplicas || r == FromCaughtUp }

const (
	catchUpLimit = 50 * time.Millisecond
	// unknown is what a session has seen that could not ask: no replica is
	// known to have it.
	unknown = "?"
)

// errNotCaughtUp says that no replica can be read from just now.
var errNotCaughtUp = errors.New("no replica has what this session wrote")

// pool knows which replicas have left the pool that readers share: one that
// did not answer is not tried again for a while, by anybody.
type pool struct {
	mu   sync.Mutex
	back map[int]time.Time // server -> when it is tried again
}

const awayFor = 2 * time.Second

func (p *pool) takesPart(i int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.back[i]) {
		return false
	}
	if _, away := p.back[i]; away {
		p.back[i] = time.Now().Add(awayFor) // one reader tries it for all
	}
	return true
}

func (p *pool) answered(i int, well bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if well {
		delete(p.back, i)
	} else {
		p.back[i] = time.Now().Add(awayFor)
	}
}

// reader reads registers from replicas, one after the other in turn. A replica
// that does not answer leaves the pool for a while; one that lags is passed
// over, and the next read tries the next.
type reader struct {
	cluster *cluster
	from    harness.Vantage
	conns   []*client // one for each server, connected when used
	turn    int
	seen    string // transactions that the session's writes are part of
}

func newReader(c *cluster, from harness.Vantage) *reader {
	r := &reader{cluster: c, from: from}
	for range c.servers {
		r.conns = append(r.conns, &client{cluster: c, from: from})
	}
	return r
}

func (r *reader) close() error {
	var errs []error
	for _, c := range r.conns {
		errs = append(errs, c.drop())
	}
	return errors.Join(errs...)
}

func (r *reader) read(ctx context.Context, key uint64) (value int64, found bool, err error) {
	last := error(errNotCaughtUp)
	for range r.conns {
		r.turn = (r.turn + 1) % len(r.conns)
		if !r.cluster.pool.takesPart(r.turn) {
			continue
		}
		value, found, err = r.readFrom(ctx, r.turn, key)
		r.cluster.pool.answered(r.turn, err == nil || errors.Is(err, errIsSource) || errors.Is(err, errNotCaughtUp) || session.Number(err) != 0)
		if err == nil {
			return value, found, nil
		}
		last = err
		if ctx.Err() != nil {
			return 0, false, harness.Definite(err) // a read has no effect
		}
	}
	if r.cluster.reads == FromCaughtUp {
		return 0, false, errNotCaughtUp
	}
	return 0, false, harness.Definite(last)
}

var errIsSource = errors.New("this is the source")

func (r *reader) readFrom(ctx context.Context, i int, key uint64) (value int64, found bool, err error) {
	u := r.conns[i]
	if u.conn == nil {
		if err := u.attach(ctx, netip.AddrPortFrom(r.cluster.servers[i].node.Addr(), session.Port)); err != nil {
			return 0, false, err
		}
	}
	err = u.do(ctx, "read register from a replica", func(conn *sql.Conn) error {
		var replica bool
		if err := conn.QueryRowContext(ctx, "SELECT @@global.super_read_only").Scan(&replica); err != nil {
			return err
		}
		if !replica {
			return errIsSource
		}
		if err := r.catchUp(ctx, conn); err != nil {
			return err
		}
		return conn.QueryRowContext(ctx, selectRegister, key).Scan(&value)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return value, err == nil, err
}

// catchUp waits until the replica has what the session wrote.
func (r *reader) catchUp(ctx context.Context, conn *sql.Conn) error {
	if r.cluster.reads != FromCaughtUp || r.seen == "" {
		return nil
	}
	if r.seen == unknown {
		return errNotCaughtUp
	}
	var late bool
	query := fmt.Sprintf("SELECT WAIT_FOR_EXECUTED_GTID_SET(?, %g)", catchUpLimit.Seconds())
	if err := conn.QueryRowContext(ctx, query, r.seen).Scan(&late); err != nil {
		return err
	}
	if late {
		return errNotCaughtUp
	}
	return nil
}
