package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	recordDir  = "/record" // where the undo record's volume is mounted
	recordName = "undo.jsonl"
	// helloLimit is how long a served agent waits for its author's first word
	// before it takes it for dead.
	helloLimit = 20 * time.Second
	// graceLimit is how long requests under way may go on after the stream ended.
	graceLimit = 500 * time.Millisecond
	lineLimit  = 4 << 20
	// eventBacklog events wait for a client that does not read; then the
	// newest are dropped.
	eventBacklog = 1024
)

// server is the agent's side of the control stream.
type server struct {
	host    *Host
	journal *journal
	watcher *watcher

	mu      sync.Mutex
	damages map[string]*damage

	out    sync.Mutex
	enc    *json.Encoder
	events chan Event // told by a goroutine of its own: a full pipe must hold nobody up
	told   chan struct{}
	heard  chan struct{} // closed at the first hello
	once   sync.Once
}

// newServer opens the undo record and takes over what an earlier agent left.
func newServer(ctx context.Context, host *Host, dir string, out io.Writer) (*server, error) {
	j, pending, err := openJournal(filepath.Join(dir, recordName))
	if err != nil {
		return nil, err
	}
	s := &server{host: host, journal: j, damages: map[string]*damage{}, enc: json.NewEncoder(out), heard: make(chan struct{}),
		events: make(chan Event, eventBacklog), told: make(chan struct{})}
	go s.tell()
	host.notify, host.reborn = s.event, s.reborn
	if err := host.disks.takeOver(ctx); err != nil {
		s.problem("", err)
	}
	for _, e := range pending {
		if err := s.adopt(ctx, e); err != nil {
			s.problem("", err)
		}
	}
	s.watcher = startWatcher(s)
	return s, nil
}

// adopt makes a damage of an earlier agent ours to undo.
func (s *server) adopt(ctx context.Context, e entry) error {
	action, known := actions[e.Action]
	if !known {
		return fmt.Errorf("undo record: unknown action %q", e.Action)
	}
	node, err := s.host.Node(ctx, e.Node)
	if err != nil {
		// Its container is gone or not ours: so is the damage.
		return errors.Join(err, s.journal.write(entry{Do: doDone, ID: e.ID}))
	}
	d := s.damage(damageSpec{Action: e.Action, Node: e.Node, Params: e.Params}, action, node)
	d.target.Saved = e.Saved
	d.active = true
	return nil
}

// damage returns the one damage of this kind, new or known.
func (s *server) damage(spec damageSpec, action *Action, node *Node) *damage {
	id := damageID(spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	d, known := s.damages[id]
	if !known {
		d = &damage{id: id, action: action, target: &Target{ID: id, Node: node, Params: spec.Params, Host: s.host}}
		d.target.save = func(saved json.RawMessage) error { return s.journal.write(entry{Do: doSave, ID: id, Saved: saved}) }
		s.damages[id] = d
	}
	return d
}

// serve reads requests until the stream ends. It returns true after a goodbye.
func (s *server) serve(ctx context.Context, in io.Reader) (orderly bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var requests sync.WaitGroup
	defer func() {
		cancel()
		waitAtMost(&requests, graceLimit)
	}()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), lineLimit)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			s.problem("", fmt.Errorf("read request: %w", err))
			return false // whoever sends this is not our client
		}
		if r.Op == opGoodbye {
			cancel()
			waitAtMost(&requests, graceLimit)
			err := s.healAll(context.Background(), false)
			s.answer(response{ID: r.ID}, err)
			return err == nil
		}
		requests.Add(1)
		go func() {
			defer requests.Done()
			answer, err := s.handle(ctx, r)
			answer.ID = r.ID
			s.answer(answer, err)
		}()
	}
	return false
}

func (s *server) handle(ctx context.Context, r request) (response, error) {
	switch r.Op {
	case opHello:
		if r.Version != protocolVersion {
			return response{}, fmt.Errorf("the client speaks version %d, this agent %d", r.Version, protocolVersion)
		}
		s.once.Do(func() { close(s.heard) })
		return response{Version: protocolVersion}, nil
	case opWatch:
		return response{}, s.watch(ctx, r.IDs)
	case opInject:
		return s.inject(ctx, r.Damages)
	case opProof:
		return s.each(ctx, r.IDs, func(ctx context.Context, d *damage) (Evidence, error) { return d.proof(ctx, false) })
	case opStill:
		return s.each(ctx, r.IDs, func(ctx context.Context, d *damage) (Evidence, error) { return d.still(ctx) })
	case opHeal:
		return s.each(ctx, r.IDs, func(ctx context.Context, d *damage) (Evidence, error) { return Evidence{}, d.heal(ctx, s.journal) })
	case opHealed:
		return s.each(ctx, r.IDs, func(ctx context.Context, d *damage) (Evidence, error) { return d.proof(ctx, true) })
	case opAudit:
		left, err := s.audit(ctx)
		return response{Residue: left}, err
	case opDisk:
		if r.Disk == nil {
			return response{}, errors.New("disk: none given")
		}
		path, err := s.host.disks.make(ctx, *r.Disk)
		return response{Path: path}, err
	case opProbe:
		machine := probe(s.host)
		return response{Machine: &machine}, nil
	}
	return response{}, fmt.Errorf("unknown request %q", r.Op)
}

func (s *server) watch(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		_, err := s.host.discover(ctx)
		return err
	}
	for _, id := range ids {
		if _, err := s.host.Node(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// inject does several damages at once, all or none.
func (s *server) inject(ctx context.Context, specs []damageSpec) (response, error) {
	if len(specs) == 0 {
		return response{}, errors.New("inject: no damage given")
	}
	var damages []*damage
	for _, spec := range specs {
		action, known := actions[spec.Action]
		if !known {
			return response{}, fmt.Errorf("inject: unknown action %q", spec.Action)
		}
		node, err := s.host.Node(ctx, spec.Node)
		if err != nil {
			return response{}, fmt.Errorf("inject %s: %w", spec.Action, err)
		}
		if d := s.damage(spec, action, node); !slices.Contains(damages, d) {
			damages = append(damages, d)
		}
	}
	return s.strike(ctx, damages)
}

// strike does damages at once. The record tells of all of them first, in one
// write; the proofs start when the last damage is done, so that looking does
// not slow down doing.
func (s *server) strike(ctx context.Context, damages []*damage) (response, error) {
	unlock := lockAll(damages)
	var begun []entry
	var fresh []*damage
	for _, d := range damages {
		if !d.active {
			fresh = append(fresh, d)
		}
		begun = append(begun, d.begin()...)
	}
	if err := s.journal.write(begun...); err != nil {
		unlock()
		return response{}, err
	}
	states := make([]damageState, len(damages))
	errs := make([]error, len(damages))
	var wait sync.WaitGroup
	for i, d := range damages { // one failure does not cut another short
		wait.Go(func() {
			states[i] = damageState{ID: d.id, Node: d.target.Node.name}
			states[i].Evidence, errs[i] = d.apply(ctx, s.journal)
		})
	}
	wait.Wait()
	err := errors.Join(errs...)
	if err == nil {
		for i, d := range damages {
			d.verify(states[i].Evidence)
		}
	}
	unlock()
	if err == nil {
		return response{Damages: states}, nil
	}
	undo, cancel := context.WithTimeout(context.Background(), undoLimit)
	defer cancel()
	for _, d := range fresh {
		err = errors.Join(err, d.heal(undo, s.journal))
	}
	return response{}, err
}

// lockAll locks damages in the order of their ids, so that two requests for
// the same ones cannot wait for each other.
func lockAll(damages []*damage) (unlock func()) {
	order := slices.Clone(damages)
	slices.SortFunc(order, func(a, b *damage) int { return strings.Compare(a.id, b.id) })
	for _, d := range order {
		d.mu.Lock()
	}
	return func() {
		for _, d := range order {
			d.mu.Unlock()
		}
	}
}

// each does the same to several damages at once and collects what they show.
func (s *server) each(ctx context.Context, ids []string, do func(context.Context, *damage) (Evidence, error)) (response, error) {
	states := make([]damageState, len(ids))
	errs := make([]error, len(ids))
	var wait sync.WaitGroup
	for i, id := range ids {
		s.mu.Lock()
		d, known := s.damages[id]
		s.mu.Unlock()
		if !known {
			return response{}, fmt.Errorf("no damage %q", id)
		}
		wait.Go(func() {
			var seen Evidence
			seen, errs[i] = do(ctx, d)
			states[i] = damageState{ID: id, Node: d.target.Node.name, Evidence: seen}
		})
	}
	wait.Wait()
	return response{Damages: states}, errors.Join(errs...)
}

// healAll undoes everything in force, and says what could not be. leaving
// skips what is pointless when the run's containers are about to be removed.
func (s *server) healAll(ctx context.Context, leaving bool) error {
	ctx, cancel := context.WithTimeout(ctx, undoLimit)
	defer cancel()
	s.mu.Lock()
	var damages []*damage
	for _, d := range s.damages {
		if !leaving || !d.action.Idle {
			damages = append(damages, d)
		}
	}
	s.mu.Unlock()
	errs := make([]error, len(damages))
	var wait sync.WaitGroup
	for i, d := range damages {
		wait.Go(func() { errs[i] = d.heal(ctx, s.journal) })
	}
	wait.Wait()
	return errors.Join(append(errs, s.host.disks.close(ctx))...)
}

func (s *server) close() {
	s.watcher.stop()
	s.host.close()
	close(s.told)
	_ = s.journal.close()
}

func (s *server) answer(r response, err error) {
	if err != nil {
		r.Error, r.Refused = err.Error(), errors.Is(err, ErrForeign)
	}
	s.send(r)
}

func (s *server) event(e Event) {
	select {
	case s.events <- e:
	default:
	}
}

// tell sends events until the agent ends.
func (s *server) tell() {
	for {
		select {
		case e := <-s.events:
			s.send(response{Event: &e})
		case <-s.told:
			return
		}
	}
}

func (s *server) problem(node string, err error) {
	s.event(Event{At: monotonic(), Kind: EventProblem, Node: node, Text: err.Error()})
}

// send writes one frame. A stream that is gone is noticed by its reader.
func (s *server) send(r response) {
	s.out.Lock()
	defer s.out.Unlock()
	if err := s.enc.Encode(r); err != nil && !errors.Is(err, os.ErrClosed) {
		fmt.Fprintln(os.Stderr, "agent: answer:", err)
	}
}

// waitAtMost waits for a group, but no longer than the limit.
func waitAtMost(group *sync.WaitGroup, limit time.Duration) {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
