package manager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

// server is one server and what is known of it.
type server struct {
	Server
	eye      *session.Session // asks; never waits behind an action
	hand     *session.Session // acts
	busy     atomic.Bool      // an action is under way
	stopping atomic.Bool      // its receiver is being stopped, on suspicion
	done     atomic.Int64     // when the last action ended, on the manager's clock
	failed   atomic.Int32     // actions in a row that failed
	said     sync.Map         // complaint -> true, so that each is said once
	latest   atomic.Pointer[seen]
	seen     seen // what the manager goes by in this round
}

// seen is what was last seen of a server. Times are on the manager's clock.
type seen struct {
	asked    time.Duration // when the question was put
	heard    time.Duration // when the server last answered any
	misses   int           // questions in a row that it has not answered
	err      error         // of the last question; also before the first
	readOnly bool          // super_read_only and read_only
	offline  bool
	semiSync bool // the source side is on
	executed string
	replica  map[string]string // SHOW REPLICA STATUS; empty: it replicates from nobody
}

// follows is the server whose replica this one is configured to be.
func (s seen) follows() (netip.AddrPort, bool) {
	addr, err := netip.ParseAddrPort(s.replica["Source_Host"] + ":" + s.replica["Source_Port"])
	return addr, err == nil
}

// receives tells whether the receiver is connected to its source.
func (s seen) receives() bool { return s.replica["Replica_IO_Running"] == "Yes" }

// applies tells whether the applier runs.
func (s seen) applies() bool { return s.replica["Replica_SQL_Running"] == "Yes" }

func (m *Manager) open(s Server) (*server, error) {
	eye, err := session.New(s.Addr, session.Manager, m.set.Dial)
	if err != nil {
		return nil, err
	}
	hand, err := session.New(s.Addr, session.Manager, m.set.Dial)
	if err != nil {
		return nil, err
	}
	opened := &server{Server: s, eye: eye, hand: hand}
	opened.latest.Store(&seen{err: errNotAsked})
	return opened, nil
}

var errNotAsked = errors.New("not asked yet")

// watch looks at a server until ctx ends, on its own: one that hangs holds up
// nobody's sight of the others. A question has half of DownAfter, so that
// silence is at least two of them.
func (m *Manager) watch(ctx context.Context, s *server) {
	ticker := time.NewTicker(m.set.Poll)
	defer ticker.Stop()
	last := *s.latest.Load()
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, min(m.set.DownAfter/2, time.Second))
		now := m.probe(limited, s.eye)
		cancel()
		now.heard, now.misses = last.heard, last.misses+1
		if now.err == nil {
			now.heard, now.misses = m.now(), 0
		}
		last = now
		s.latest.Store(&now)
		m.tell()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

const probeQuery = "SELECT @@global.super_read_only AND @@global.read_only, @@global.offline_mode, @@global.rpl_semi_sync_source_enabled, @@global.gtid_executed"

// probe asks a server what it is just now.
func (m *Manager) probe(ctx context.Context, through *session.Session) (now seen) {
	now.asked = m.now()
	if now.err = through.Scan(ctx, probeQuery, &now.readOnly, &now.offline, &now.semiSync, &now.executed); now.err != nil {
		return now
	}
	now.replica, now.err = through.Row(ctx, "SHOW REPLICA STATUS")
	return now
}

// act runs an action on a server beside everything else, unless one is under
// way there already, or ended after the server was last looked at: what was
// seen is then out of date. What fails is tried again after twice as long each
// time, 2 s at most. Complaints are said once each.
func (m *Manager) act(ctx context.Context, s *server, limit time.Duration, action func(context.Context) error) {
	pause := time.Duration(0)
	if failed := s.failed.Load(); failed > 0 {
		pause = min(25*time.Millisecond<<min(failed, 10), 2*time.Second)
	}
	if s.busy.Load() || s.seen.asked <= time.Duration(s.done.Load())+pause {
		return
	}
	s.busy.Store(true)
	m.work.Go(func() {
		defer func() {
			s.done.Store(int64(m.now()))
			s.busy.Store(false)
			m.tell()
		}()
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		if err := action(ctx); err != nil {
			s.failed.Add(1)
			m.complain(s, err)
			return
		}
		s.failed.Store(0)
	})
}

func (m *Manager) complain(s *server, err error) { m.once(s, "trouble: %s: %v", s.Name, err) }

// once says something of a server that has not been said of it before.
func (m *Manager) once(s *server, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if _, before := s.said.LoadOrStore(text, true); !before {
		m.say("%s", text)
	}
}
