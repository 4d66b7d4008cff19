package manager

import (
	"context"
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
	eye  *session.Session // asks; never waits behind an action
	hand *session.Session // acts
	busy atomic.Bool      // an action is under way
	done atomic.Int64     // when the last action ended, by the round that was then under way
	said sync.Map         // complaint -> true, so that each is said once
	seen seen             // of the last round
}

// seen is what one round of probes saw of a server.
type seen struct {
	round    int64
	err      error
	readOnly bool // super_read_only and read_only
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
	return &server{Server: s, eye: eye, hand: hand}, nil
}

// look probes all servers at once, within half of DownAfter at most, so that
// silence is noticed by at least two rounds.
func (m *Manager) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, min(m.set.DownAfter/2, time.Second))
	defer cancel()
	var group sync.WaitGroup
	round := m.rounds.Add(1)
	for _, s := range m.servers {
		group.Go(func() {
			s.seen = s.probe(ctx)
			s.seen.round = round
		})
	}
	group.Wait()
}

const probeQuery = "SELECT @@global.super_read_only AND @@global.read_only, @@global.offline_mode, @@global.rpl_semi_sync_source_enabled, @@global.gtid_executed"

func (s *server) probe(ctx context.Context) (seen seen) {
	if seen.err = s.eye.Scan(ctx, probeQuery, &seen.readOnly, &seen.offline, &seen.semiSync, &seen.executed); seen.err != nil {
		return seen
	}
	seen.replica, seen.err = s.eye.Row(ctx, "SHOW REPLICA STATUS")
	return seen
}

// act runs an action on a server beside everything else, unless one is under
// way there already, or ended after the server was last looked at: what was
// seen is then out of date. Complaints are said once each.
func (m *Manager) act(ctx context.Context, s *server, limit time.Duration, action func(context.Context) error) {
	if s.busy.Load() || s.seen.round <= s.done.Load() {
		return
	}
	s.busy.Store(true)
	m.work.Go(func() {
		defer func() {
			s.done.Store(m.rounds.Load())
			s.busy.Store(false)
		}()
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		if err := action(ctx); err != nil {
			m.complain(s, err)
		}
	})
}

func (m *Manager) complain(s *server, err error) {
	text := fmt.Sprintf("trouble: %s: %v", s.Name, err)
	if _, before := s.said.LoadOrStore(text, true); !before {
		m.say("%s", text)
	}
}
