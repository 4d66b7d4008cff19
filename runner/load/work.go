package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// The defaults of every load.
const (
	DefaultRate    = 500.0
	DefaultTimeout = 250 * time.Millisecond
)

// work is what the loads with a Client of their own have in common: one lane
// for each client zone and stream, then the read-back lane.
type work struct {
	name     string
	protocol string // default: name
	params   string // of the load itself, canonical
	schedule Schedule
	clients  int
	timeout  time.Duration
	patience time.Duration // how long an operation waits for a user; default timeout
	zones    []string
	streams  []stream
	// connect finds the system's capability and returns how to open a user.
	connect func(r harness.Running) (dial, error)
	// setup prepares the system before the load; nil when nothing is needed.
	setup func(ctx context.Context, b *back) error
	// readBack makes the definitive read; nil when there is no state.
	readBack func(ctx context.Context, b *back) error
}

// capability connects a load to the capability C of a system, which is named
// and described for the error when the system lacks it.
func capability[C any](name, does string, open func(context.Context, C, harness.Vantage) (Client, error)) func(harness.Running) (dial, error) {
	return func(r harness.Running) (dial, error) {
		c, ok := r.(C)
		if !ok {
			return nil, fmt.Errorf("the system %T %s (harness.%s)", r, does, name)
		}
		return func(ctx context.Context, from harness.Vantage) (Client, error) {
			client, err := open(ctx, c, from)
			if err != nil {
				return nil, err // not an interface around nothing
			}
			return client, nil
		}, nil
	}
}

// dial opens one user of a system.
type dial func(ctx context.Context, from harness.Vantage) (Client, error)

// stream is a part of a load that has lanes of its own.
type stream struct {
	suffix   string // of the lane's name
	oneIn    uint64 // takes one of so many operations of the schedule; 0 and 1: all
	users    int    // instead of the load's clients
	evidence bool   // outside of what is judged
	aside    bool   // judged by its name alone
	control  bool   // the untouched echo server
	plan     func(s slot, n uint64, op *record.Op)
}

// slot is a lane's place among the lanes of its load.
type slot struct {
	index, of uint64
	seed, key uint64
}

// unique returns a number, from 1, that no other operation of the load has.
func (s slot) unique(n uint64) int64 { return int64(n*s.of+s.index) + 1 }

// random returns a number that depends on the seed and the operation alone.
func (s slot) random(n uint64) uint64 { return mix(s.seed+s.index<<56, n) }

// common fills in the defaults of the fields that all loads have.
func (w work) common(rate float64, schedule Schedule, clients int, timeout time.Duration, zone string, zones []string) work {
	if w.protocol == "" {
		w.protocol = w.name
	}
	w.schedule = orConstant(rate, schedule)
	w.timeout = timeout
	if w.timeout <= 0 {
		w.timeout = DefaultTimeout
	}
	if w.patience <= 0 {
		w.patience = w.timeout
	}
	w.clients = clients
	if w.clients <= 0 {
		w.clients = users(w.schedule.Rate(), w.timeout, 64)
	}
	w.zones = zones
	if len(w.zones) == 0 {
		w.zones = []string{zone}
	}
	return w
}

func orConstant(rate float64, schedule Schedule) Schedule {
	if schedule != nil {
		return schedule
	}
	if rate <= 0 {
		rate = DefaultRate
	}
	return Constant(rate)
}

// users returns how many users keep up a rate when every operation takes its
// whole timeout (Little's law), within 8..most. With fewer, the first
// operations after an outage may wait up to a timeout for a user whose
// operation is still stuck.
func users(rate float64, timeout time.Duration, most int) int {
	return min(max(int(math.Ceil(rate*timeout.Seconds())), 8), most)
}

func (w work) Describe() string {
	return describe(w.name, w.params, w.schedule, w.clients, w.timeout, w.zones)
}

// describe is the canonical text of a load.
func describe(name, params string, s Schedule, clients int, timeout time.Duration, zones []string) string {
	text := fmt.Sprintf("%s %s clients=%d timeout=%s", name, s, clients, timeout)
	if params != "" {
		text += " " + params
	}
	if z := strings.Join(zones, ","); z != "" {
		text += " zones=" + z
	}
	return text
}

func (w work) Lanes() []record.Lane {
	var lanes []record.Lane
	for _, zone := range w.zones {
		for _, s := range w.streams {
			lanes = append(lanes, record.Lane{
				Name: laneName(w.name+s.suffix, zone), Protocol: w.protocol, Connection: "pooled", Zone: zone,
				Rate: w.share(0, s).Rate(), Evidence: s.evidence, Aside: s.aside, Control: s.control,
			})
		}
	}
	if w.setup != nil {
		lanes = append(lanes, record.Lane{
			Name: w.name + "/setup", Protocol: w.protocol, Connection: "fresh", Zone: w.zones[0], Evidence: true,
		})
	}
	if w.readBack != nil {
		lanes = append(lanes, record.Lane{
			Name: w.name + "/read-back", Protocol: w.protocol, Connection: "fresh", Zone: w.zones[0],
			Evidence: true, Definitive: true,
		})
	}
	return lanes
}

func laneName(name, zone string) string {
	if zone == "" {
		return name
	}
	return name + "@" + zone
}

// share is the part of the schedule that a stream takes in a zone.
func (w work) share(zone int, s stream) Schedule {
	by := uint64(len(w.zones)) * max(s.oneIn, 1)
	if by == 1 {
		return w.schedule
	}
	return shared{of: w.schedule, from: uint64(zone), by: by}
}

func (w work) Open(ctx context.Context, t Target) (Session, error) {
	open, err := w.connect(t.Running)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", w.name, err)
	}
	s := &session{name: w.name}
	if err := w.open(ctx, s, t, open); err != nil {
		return nil, errors.Join(fmt.Errorf("load %s: %w", w.name, err), s.Close())
	}
	return s, nil
}

// open fills s; what it has opened when it fails is s's to close.
func (w work) open(ctx context.Context, s *session, t Target, open dial) error {
	specs := w.Lanes()
	processes := t.processes()
	s.processes = processes
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(16) // a system's accept queue is not part of what is tested
	var failed error
	for i, spec := range specs[:len(w.zones)*len(w.streams)] {
		zone, stream := i/len(w.streams), w.streams[i%len(w.streams)]
		from, err := t.vantage(spec.Zone)
		if err != nil {
			failed = err
			break
		}
		place := slot{index: uint64(i), of: uint64(len(w.zones) * len(w.streams)), seed: t.Seed, key: t.KeyBase}
		l := &lane{
			spec: spec, number: t.LaneBase + uint8(i), target: t, schedule: w.share(zone, stream),
			plan:    func(n uint64, op *record.Op) { stream.plan(place, n, op) },
			timeout: w.timeout, patience: w.patience, processes: processes, sink: newSink(t.Recorder), lead: newLead(),
		}
		s.lanes = append(s.lanes, l)
		if l.timer, failed = newTimer(); failed != nil {
			break
		}
		l.users = make([]*user, w.usersOf(stream))
		for k := range l.users {
			u := &user{process: processes.Add(1) - 1}
			l.users[k] = u
			group.Go(func() (err error) {
				if u.client, err = open(grouped, from); err != nil {
					return fmt.Errorf("open client: %w", err)
				}
				return nil
			})
		}
	}
	if err := errors.Join(failed, group.Wait()); err != nil {
		return err
	}
	return w.beside(ctx, s, t, open)
}

// beside opens what goes on beside the load, in the lanes behind its own:
// setup, which is done here, and the read-back.
func (w work) beside(ctx context.Context, s *session, t Target, open dial) error {
	if w.setup == nil && w.readBack == nil {
		return nil
	}
	from, err := t.vantage(w.zones[0])
	if err != nil {
		return err
	}
	next := t.LaneBase + uint8(len(s.lanes))
	side := func() *back {
		b := &back{target: t, number: next, from: from, open: open, lanes: s.lanes, processes: s.processes, sink: newSink(t.Recorder)}
		next++
		s.beside = append(s.beside, b)
		return b
	}
	if w.setup != nil {
		b := side()
		defer b.sink.flush()
		if err := w.setup(ctx, b); err != nil {
			return fmt.Errorf("set up: %w", err)
		}
	}
	if w.readBack != nil {
		b := side()
		s.readBack = func(ctx context.Context) error {
			defer b.sink.flush()
			return w.readBack(ctx, b)
		}
	}
	return nil
}

// usersOf shares the users among the zones; an evidence stream needs few.
func (w work) usersOf(s stream) int {
	n := max(w.clients/len(w.zones), 1)
	switch {
	case s.users > 0:
		n = max(s.users/len(w.zones), 1)
	case s.oneIn > 1:
		n = max(n/int(s.oneIn), 2)
	}
	return n
}

// session is the Session of a work.
type session struct {
	name      string
	lanes     []*lane
	processes *atomic.Uint32
	beside    []*back
	readBack  func(context.Context) error
}

func (s *session) Run(ctx context.Context, start record.Time, d time.Duration) error {
	errs := make(chan error, len(s.lanes))
	for _, l := range s.lanes {
		go func() { errs <- l.run(ctx, start, d) }()
	}
	var all []error
	for range s.lanes {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func (s *session) ReadBack(ctx context.Context) error {
	if s.readBack == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readBackLimit)
	defer cancel()
	if err := s.readBack(ctx); err != nil {
		return fmt.Errorf("load %s: read back: %w", s.name, err)
	}
	return s.beside[len(s.beside)-1].sink.failure()
}

func (s *session) Stats() (sum Stats) {
	for _, l := range s.lanes {
		sum = sum.Plus(l.stats())
	}
	return sum
}

func (s *session) Close() error {
	var errs []error
	for _, l := range s.lanes {
		errs = append(errs, l.close())
	}
	for _, b := range s.beside {
		errs = append(errs, b.sink.close())
	}
	return errors.Join(errs...)
}
