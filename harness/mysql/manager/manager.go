package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

// Server is one MySQL server under management.
type Server struct {
	Name string
	Addr netip.AddrPort
}

// Settings are what a manager is told.
type Settings struct {
	Servers []Server // the first is the first source
	// Acks is how many replicas must acknowledge a commit; 0 is asynchronous.
	Acks int
	// WaitPoint is AFTER_SYNC or AFTER_COMMIT.
	WaitPoint string
	// AckTimeout is how long a commit waits for acknowledgements before the
	// source goes on without; 0 is for ever (as near as MySQL has it: 49 days).
	AckTimeout time.Duration
	DownAfter  time.Duration // silence after which a source may be dead
	Poll       time.Duration // between two rounds of probes
	Heartbeat  time.Duration // of the source to an idle replica
	StateFile  string        // where decisions are kept
	Say        func(line string)
	Dial       session.Dial // nil: the machine's own network
}

// Decision is who is primary. Terms increase with every decision.
type Decision struct {
	Term    int64          `json:"term"`
	Primary string         `json:"primary"`
	Addr    netip.AddrPort `json:"addr"`
}

// Manager manages one replication group. Run it once.
type Manager struct {
	set     Settings
	servers []*server
	decided atomic.Pointer[Decision]
	work    sync.WaitGroup
	cloning sync.Mutex
	began   time.Time
	news    chan struct{} // somebody has been looked at, or an action has ended
	since   time.Duration // when the last decision was made
	doubt   bool          // said that the primary does not answer
	dead    bool          // said that it is dead
	waiting string        // why a failover is not carried out, when said
}

// now is the time on the manager's own clock, which nobody sets.
func (m *Manager) now() time.Duration { return time.Since(m.began) }

// tell wakes the manager up.
func (m *Manager) tell() {
	select {
	case m.news <- struct{}{}:
	default: // it is about to look anyway
	}
}

// New checks the settings and reads the last decision, if there is one.
func New(s Settings) (*Manager, error) {
	if len(s.Servers) < 2 {
		return nil, fmt.Errorf("manage %d servers: want a source and at least one replica", len(s.Servers))
	}
	if s.Acks < 0 || s.Acks >= len(s.Servers) {
		return nil, fmt.Errorf("acknowledgements %d: want 0 up to %d replicas", s.Acks, len(s.Servers)-1)
	}
	if s.DownAfter <= 0 || s.Poll <= 0 || s.Heartbeat <= 0 {
		return nil, errors.New("down-after, poll, heartbeat: want durations above zero")
	}
	if s.Dial == nil {
		s.Dial = (&net.Dialer{}).DialContext
	}
	m := &Manager{set: s, began: time.Now(), news: make(chan struct{}, 1)}
	raw, err := os.ReadFile(s.StateFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read the last decision: %w", err)
	default:
		var d Decision
		if err := json.Unmarshal(raw, &d); err != nil {
			return nil, fmt.Errorf("read the last decision %s: %w", s.StateFile, err)
		}
		m.decided.Store(&d)
	}
	return m, nil
}

// Decision returns who is primary, false before the first decision.
func (m *Manager) Decision() (Decision, bool) {
	if d := m.decided.Load(); d != nil {
		return *d, true
	}
	return Decision{}, false
}

// decide writes a decision down before anybody acts on it.
func (m *Manager) decide(to *server) error {
	d := Decision{Term: 1, Primary: to.Name, Addr: to.Addr}
	if last := m.decided.Load(); last != nil {
		d.Term = last.Term + 1
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write decision: %w", err)
	}
	part := m.set.StateFile + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write decision: %w", err)
	}
	_, err = file.Write(raw)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write decision: %w", err)
	}
	if err := os.Rename(part, m.set.StateFile); err != nil {
		return fmt.Errorf("write decision: %w", err)
	}
	if dir, err := os.Open(filepath.Dir(m.set.StateFile)); err == nil {
		_ = dir.Sync() // some file systems cannot; the file itself is safe
		_ = dir.Close()
	}
	m.decided.Store(&d)
	m.since, m.doubt, m.dead, m.waiting = m.now(), false, false, ""
	return nil
}

func (m *Manager) say(format string, args ...any) {
	if m.set.Say != nil {
		m.set.Say(fmt.Sprintf(format, args...))
	}
}

// Run manages until ctx ends. What it began on a server has ended when it
// returns.
func (m *Manager) Run(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		m.work.Wait()
		err = errors.Join(err, m.close())
	}()
	for _, s := range m.set.Servers {
		opened, err := m.open(s)
		if err != nil {
			return err
		}
		m.servers = append(m.servers, opened)
		m.work.Go(func() { m.watch(ctx, opened) })
	}
	if d, ok := m.Decision(); ok {
		m.say("resumes: %s is the primary, term %d", d.Primary, d.Term)
	}
	m.since = m.now()
	ticker := time.NewTicker(m.set.Poll)
	defer ticker.Stop()
	for {
		if err := m.round(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.news:
		case <-ticker.C: // time passes, also while nobody answers
		}
	}
}

func (m *Manager) close() error {
	var errs []error
	for _, s := range m.servers {
		errs = append(errs, s.eye.Close(), s.hand.Close())
	}
	return errors.Join(errs...)
}

// round goes by what was last seen of every server and does what is needed
// next. Its error is the manager's own (a decision that cannot be written),
// never a server's.
func (m *Manager) round(ctx context.Context) error {
	for _, s := range m.servers {
		s.seen = *s.latest.Load()
	}
	d := m.decided.Load()
	if d == nil {
		return m.begin()
	}
	var primary *server
	for _, s := range m.servers {
		if s.Name == d.Primary {
			primary = s
		}
	}
	if primary == nil {
		return fmt.Errorf("the last decision names %q, which is none of the servers", d.Primary)
	}
	if primary.seen.err == nil {
		if m.doubt {
			m.say("answers again: %s", primary.Name)
		}
		m.doubt, m.dead, m.waiting = false, false, ""
		m.reconcile(ctx, primary, d.Term)
		return nil
	}
	if primary.seen.misses == 0 {
		return nil // it has not been asked yet
	}
	if !m.doubt {
		m.doubt = true
		m.say("silent: %s (%v)", primary.Name, primary.seen.err)
	}
	return m.consider(ctx, primary)
}

// begin makes the first decision once every server answers.
func (m *Manager) begin() error {
	for _, s := range m.servers {
		if s.seen.err != nil {
			return nil
		}
	}
	if err := m.decide(m.servers[0]); err != nil {
		return err
	}
	m.tell()
	return nil
}
