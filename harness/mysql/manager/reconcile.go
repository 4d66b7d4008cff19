package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

const (
	actLimit   = 15 * time.Second
	cloneLimit = 60 * time.Second
	endLimit   = 3 * time.Second // for ending a fenced server's sessions
	// forever is the longest that semi-sync can be told to wait, 49 days.
	forever = 1<<32 - 1
)

// reconcile brings the servers closer to the decision. Each server is worked
// on beside the others.
func (m *Manager) reconcile(ctx context.Context, primary *server, term int64) {
	if was := primary.seen; was.readOnly || was.offline || len(was.replica) > 0 || was.semiSync != (m.set.Acks > 0) {
		m.act(ctx, primary, actLimit, func(ctx context.Context) error { return m.lead(ctx, primary, was, term) })
	}
	for _, s := range m.servers {
		if s == primary || s.seen.err != nil {
			continue
		}
		now := s.seen
		from, following := now.follows()
		switch {
		case !now.readOnly, now.semiSync:
			m.act(ctx, s, actLimit, func(ctx context.Context) error { return m.disarm(ctx, s) })
		case !following || from != primary.Addr:
			m.act(ctx, s, cloneLimit, func(ctx context.Context) error { return m.join(ctx, s, primary, now) })
		case now.replica["Last_SQL_Errno"] != "0" || diverged(now.replica["Last_IO_Errno"]):
			m.act(ctx, s, cloneLimit, func(ctx context.Context) error {
				return m.clone(ctx, s, primary, now, "cannot go on: "+now.replica["Last_SQL_Error"]+now.replica["Last_IO_Error"])
			})
		case now.replica["Replica_IO_Running"] == "No" || !now.applies():
			m.act(ctx, s, actLimit, func(ctx context.Context) error { return s.hand.Exec(ctx, "START REPLICA") })
		case now.offline && now.receives():
			m.act(ctx, s, actLimit, func(ctx context.Context) error { return s.hand.Exec(ctx, "SET GLOBAL offline_mode = OFF") })
		}
	}
}

// diverged tells a receiver's error that no reconnect can mend: the source
// says that this replica has more than itself, or needs what it purged.
func diverged(errno string) bool { return errno == "13114" || errno == "1236" }

// lead makes a server the source. It waits for acknowledgements before it is
// writable, so that not one commit goes without.
func (m *Manager) lead(ctx context.Context, s *server, was seen, term int64) error {
	if len(was.replica) > 0 {
		if err := s.hand.Exec(ctx, "STOP REPLICA", "RESET REPLICA ALL"); err != nil {
			return err
		}
	}
	semiSync := []string{"SET GLOBAL rpl_semi_sync_source_enabled = OFF"}
	if m.set.Acks > 0 {
		timeout := m.set.AckTimeout.Milliseconds()
		if timeout == 0 {
			timeout = forever
		}
		semiSync = []string{
			fmt.Sprintf("SET GLOBAL rpl_semi_sync_source_timeout = %d", timeout),
			fmt.Sprintf("SET GLOBAL rpl_semi_sync_source_wait_for_replica_count = %d", m.set.Acks),
			fmt.Sprintf("SET GLOBAL rpl_semi_sync_source_wait_point = '%s'", m.set.WaitPoint),
			"SET GLOBAL rpl_semi_sync_source_enabled = ON",
		}
	}
	if err := s.hand.Exec(ctx, semiSync...); err != nil {
		return err
	}
	if err := s.hand.Exec(ctx, "SET GLOBAL offline_mode = OFF", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"); err != nil {
		return err
	}
	m.say("promoted: %s accepts writes, term %d", s.Name, term)
	return nil
}

// disarm takes a server out of its clients' hands that thinks it is the
// source. The order matters: while a session waits for an acknowledgement,
// turning semi-sync off would tell its client that the commit is done. A
// session that was ended still waits, but its connection is shut: nobody hears
// what it says when it goes on.
func (m *Manager) disarm(ctx context.Context, s *server) error {
	m.say("disarms: %s is not the primary, but writable", s.Name)
	if err := s.hand.Exec(ctx, "SET GLOBAL offline_mode = ON"); err != nil {
		return err
	}
	if err := m.endSessions(ctx, s, "command <> 'Killed'"); err != nil {
		return err
	}
	if err := s.hand.Exec(ctx, "SET GLOBAL rpl_semi_sync_source_enabled = OFF"); err != nil {
		return err
	}
	if err := m.endSessions(ctx, s, "TRUE"); err != nil {
		return err
	}
	if err := s.hand.Exec(ctx, "SET GLOBAL super_read_only = ON"); err != nil {
		return err
	}
	m.say("disarmed: %s serves nobody", s.Name)
	return nil
}

// endSessions ends the applications' sessions until none is left that meets a
// condition.
func (m *Manager) endSessions(ctx context.Context, s *server, condition string) error {
	query := "SELECT id FROM information_schema.processlist WHERE user = '" + session.Application + "' AND " + condition
	for deadline := time.Now().Add(endLimit); ; time.Sleep(20 * time.Millisecond) {
		left, err := s.hand.Rows(ctx, query)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d sessions do not end", len(left))
		}
		for _, row := range left {
			if err := s.hand.Exec(ctx, "KILL "+row["id"]); err != nil && session.Number(err) != errNoSuchThread {
				return err
			}
		}
	}
}

const (
	errNoSuchThread     = 1094
	errRestartUnmanaged = 3707
)

// join makes a server follow the primary, with the primary's data if its own
// hold transactions that the primary never had.
func (m *Manager) join(ctx context.Context, s, primary *server, was seen) error {
	if len(was.replica) > 0 {
		if err := s.hand.Exec(ctx, "STOP REPLICA"); err != nil {
			return err
		}
	}
	var executed, known, errant string
	if err := s.hand.Scan(ctx, "SELECT @@global.gtid_executed", &executed); err != nil {
		return err
	}
	// The primary is asked after the server, so that it is never behind.
	if err := primary.eye.Scan(ctx, "SELECT @@global.gtid_executed", &known); err != nil {
		return err
	}
	if err := s.hand.Scan(ctx, fmt.Sprintf("SELECT GTID_SUBTRACT(%s, %s)", quote(executed), quote(known)), &errant); err != nil {
		return err
	}
	if errant != "" {
		return m.clone(ctx, s, primary, was, "has what "+primary.Name+" never had: "+errant)
	}
	change := fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = %d, SOURCE_USER = '%s', SOURCE_AUTO_POSITION = 1, "+
		"GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 100000, SOURCE_HEARTBEAT_PERIOD = %g",
		primary.Addr.Addr(), primary.Addr.Port(), session.Manager, m.set.Heartbeat.Seconds())
	if err := s.hand.Exec(ctx, change, "START REPLICA"); err != nil {
		return err
	}
	m.say("follows: %s replicates from %s", s.Name, primary.Name)
	return nil
}

// clone replaces a server's data by the primary's. The server restarts
// afterwards and joins like any other. A donor gives to one at a time.
func (m *Manager) clone(ctx context.Context, s, primary *server, was seen, why string) error {
	if !m.cloning.TryLock() {
		return nil
	}
	defer m.cloning.Unlock()
	m.once(s, "clones: %s %s", s.Name, why)
	if len(was.replica) > 0 {
		if err := s.hand.Exec(ctx, "STOP REPLICA", "RESET REPLICA ALL"); err != nil {
			return err
		}
	}
	// Cloning drops tables first, which super_read_only forbids; nobody but the
	// manager gets in meanwhile.
	err := s.hand.Exec(ctx, "SET GLOBAL offline_mode = ON",
		fmt.Sprintf("SET GLOBAL clone_valid_donor_list = '%s:%d'", primary.Addr.Addr(), primary.Addr.Port()),
		"SET GLOBAL super_read_only = OFF",
		fmt.Sprintf("CLONE INSTANCE FROM '%s'@'%s':%d IDENTIFIED BY ''", session.Manager, primary.Addr.Addr(), primary.Addr.Port()))
	if number := session.Number(err); err != nil && number != 0 {
		if number == errRestartUnmanaged {
			return fmt.Errorf("cloned, but nobody restarts it: %w", err)
		}
		return errors.Join(err, s.hand.Exec(ctx, "SET GLOBAL super_read_only = ON"))
	}
	if ctx.Err() != nil {
		return err
	}
	m.say("cloned: %s has the data of %s and restarts", s.Name, primary.Name)
	return nil
}
