package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/hadrill/hadrill/harness/engine"
)

// ErrGone is returned (wrapped) when the agent does not answer any more: its
// stream has ended.
var ErrGone = errors.New("the agent is gone")

// Client drives the agent of one run. Safe for concurrent use.
type Client struct {
	engine    *engine.Engine
	run       string
	base      int64
	container string
	name      string
	sitter    *sitter

	conn net.Conn

	closing sync.Mutex
	closed  bool

	writing sync.Mutex

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan response
	ended   error // why the stream ended

	events chan Event
	done   chan struct{} // closed when the reader has ended
	stderr *tail
}

// Proof is evidence about one node, in nanoseconds of the run's clock.
type Proof struct {
	Node   string
	Before int64 // last seen without the effect
	After  int64 // first seen with it
	How    string
	Detail string
}

// Command asks for one damage: an action on a node, with the action's parameters.
type Command struct {
	Action    string
	Container string // the node's container id
	Params    any    // encoded as JSON; nil for none
}

// Handle is damage that was ordered with one call of Inject. Safe for
// concurrent use. The same damage ordered twice is one damage: healing either
// handle ends it.
type Handle struct {
	client *Client
	ids    []string
	// Ordered is when the agent carried each order out, one a command.
	Ordered []Proof
}

// Events tells what the agent reports by itself: deaths, starts, gaps under
// fault. It is closed when the agent is gone. When nobody reads, the newest
// events are dropped.
func (c *Client) Events() <-chan Event { return c.events }

// Gone is closed when the agent does not answer any more. Whatever damage was
// in force then is undone by the agent, or by whoever recovers its run.
func (c *Client) Gone() <-chan struct{} { return c.done }

// Watch makes the agent learn every container of the run now, so that the
// first fault finds them open. Nodes that start later are learned by themselves.
func (c *Client) Watch(ctx context.Context) error {
	_, err := c.call(ctx, request{Op: opWatch})
	return err
}

// Ping waits for a sign of life.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.call(ctx, request{Op: opHello, Version: protocolVersion})
	return err
}

// Inject orders damages, all or none: where one fails, the others are undone
// before the error is returned. It returns when the damage was done, which may
// be before it took effect; see [Handle.Effective].
func (c *Client) Inject(ctx context.Context, commands ...Command) (*Handle, error) {
	specs := make([]damageSpec, len(commands))
	for i, command := range commands {
		specs[i] = damageSpec{Action: command.Action, Node: command.Container}
		if command.Params == nil {
			continue
		}
		params, err := json.Marshal(command.Params)
		if err != nil {
			return nil, fmt.Errorf("encode parameters of %s: %w", command.Action, err)
		}
		specs[i].Params = params
	}
	answer, err := c.call(ctx, request{Op: opInject, Damages: specs})
	if err != nil {
		return nil, err
	}
	h := &Handle{client: c, Ordered: c.proofs(answer)}
	for _, d := range answer.Damages {
		h.ids = append(h.ids, d.ID)
	}
	return h, nil
}

// Effective waits for evidence that every damage took effect.
func (h *Handle) Effective(ctx context.Context) ([]Proof, error) { return h.ask(ctx, opProof) }

// Still looks again whether every damage is in force. An error says which is not.
func (h *Handle) Still(ctx context.Context) ([]Proof, error) { return h.ask(ctx, opStill) }

// Heal undoes the damages. Healing twice is fine.
func (h *Handle) Heal(ctx context.Context) error {
	_, err := h.ask(ctx, opHeal)
	return err
}

// Healed waits for evidence that every damage is gone.
func (h *Handle) Healed(ctx context.Context) ([]Proof, error) { return h.ask(ctx, opHealed) }

func (h *Handle) ask(ctx context.Context, op operation) ([]Proof, error) {
	answer, err := h.client.call(ctx, request{Op: op, IDs: h.ids})
	if err != nil {
		return nil, err
	}
	return h.client.proofs(answer), nil
}

// Audit lists what hadrill has changed on the run's nodes and what is not yet
// undone. It changes nothing.
func (c *Client) Audit(ctx context.Context) (Residue, error) {
	answer, err := c.call(ctx, request{Op: opAudit})
	return Residue(answer.Residue), err
}

// Probe says which mechanisms this machine has.
func (c *Client) Probe(ctx context.Context) (*Machine, error) {
	answer, err := c.call(ctx, request{Op: opProbe})
	return answer.Machine, err
}

func (c *Client) proofs(r response) []Proof {
	proofs := make([]Proof, len(r.Damages))
	for i, d := range r.Damages {
		proofs[i] = Proof{Node: d.Node, Before: d.Evidence.Before - c.base, After: d.Evidence.After - c.base, How: d.Evidence.How, Detail: d.Evidence.Detail}
	}
	return proofs
}

// call sends one request and waits for its answer.
func (c *Client) call(ctx context.Context, r request) (response, error) {
	answer := make(chan response, 1)
	c.mu.Lock()
	if c.ended != nil {
		defer c.mu.Unlock()
		return response{}, fmt.Errorf("%s: %w", r.Op, c.ended)
	}
	c.next++
	r.ID = c.next
	c.waiting[r.ID] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, r.ID)
		c.mu.Unlock()
	}()
	line, err := json.Marshal(r)
	if err != nil {
		return response{}, fmt.Errorf("encode %s: %w", r.Op, err)
	}
	c.writing.Lock()
	_, err = c.conn.Write(append(line, '\n'))
	c.writing.Unlock()
	if err != nil {
		return response{}, fmt.Errorf("%s: %w: %w", r.Op, ErrGone, err)
	}
	select {
	case got := <-answer:
		return got, got.asError()
	case <-c.done:
		select {
		case got := <-answer: // it came just before the end
			return got, got.asError()
		default:
			return response{}, fmt.Errorf("%s: %w", r.Op, c.why())
		}
	case <-ctx.Done():
		return response{}, fmt.Errorf("%s: %w", r.Op, ctx.Err())
	}
}

func (r response) asError() error {
	switch {
	case r.Error == "":
		return nil
	case r.Refused:
		return fmt.Errorf("%w: %s", ErrForeign, r.Error)
	}
	return errors.New(r.Error)
}

func (c *Client) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// read takes answers and events off the stream until it ends.
func (c *Client) read(in io.Reader) {
	defer close(c.done)
	defer close(c.events)
	lines, into := io.Pipe()
	demultiplexed := make(chan struct{})
	go func() {
		defer close(demultiplexed)
		into.CloseWithError(demultiplex(in, into, c.stderr))
	}()
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(make([]byte, 64<<10), lineLimit)
	for scanner.Scan() {
		var r response
		if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
			_, _ = c.stderr.Write(scanner.Bytes())
			continue
		}
		c.deliver(r)
	}
	_ = lines.Close()
	<-demultiplexed
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = ErrGone
	if said := c.stderr.String(); said != "" {
		c.ended = fmt.Errorf("%w; it said: %s", ErrGone, said)
	}
}

func (c *Client) deliver(r response) {
	if r.Event != nil {
		e := *r.Event
		for _, t := range []*int64{&e.At, &e.Before, &e.After} {
			if *t != 0 {
				*t -= c.base
			}
		}
		select {
		case c.events <- e:
		default:
		}
		return
	}
	c.mu.Lock()
	answer := c.waiting[r.ID]
	c.mu.Unlock()
	if answer != nil {
		select {
		case answer <- r:
		default: // an id answered twice: the first answer stands
		}
	}
}

// tail keeps the last of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailLimit = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailLimit; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
