package rabbitmq

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// view is what a node's witness says of its own node.
type view struct {
	Serves bool       `json:"serves"` // RabbitMQ itself runs on it
	Peers  []string   `json:"peers"`  // Erlang nodes it shares its database with
	Queues []memberOf `json:"queues"`
}

// memberOf is what a node knows of one queue.
type memberOf struct {
	Name      string `json:"name"`
	Leader    string `json:"leader"` // Erlang name, "" when it knows none
	State     string `json:"state"`  // Raft's word for what its own member is doing; "classic" for a queue without members
	Term      int64  `json:"term"`
	Applied   int64  `json:"applied"`
	Committed int64  `json:"committed"`
}

// asker asks one node's witness, over one kept connection, a line for a line.
//
// A question that is not answered in time stays open for a while, and whoever
// asks the same next waits for its answer: breaking it off costs the connection,
// and on a busy machine connecting anew would take longer than the patience of
// whoever asks, so that no question would ever be answered. Safe for concurrent
// use; one question at a time.
type asker struct {
	from harness.Vantage
	addr netip.AddrPort

	mu     sync.Mutex
	conn   net.Conn
	reader *bufio.Reader
	open   string    // the question under way, "" for none
	since  time.Time // when it was asked
	heard  []byte    // of its answer so far
}

// openLimit is how long a question stays open.
const openLimit = time.Second

func newAsker(from harness.Vantage, addr netip.Addr) *asker {
	return &asker{from: from, addr: netip.AddrPortFrom(addr, witnessPort)}
}

// view asks what the node knows.
func (a *asker) view(ctx context.Context) (v view, err error) {
	err = a.ask(ctx, "view", &v)
	return v, err
}

// held asks how many messages are given out and neither acknowledged nor
// returned, of the queues that this node leads.
func (a *asker) held(ctx context.Context) (int, error) {
	var answer struct {
		Held int `json:"held"`
	}
	err := a.ask(ctx, "held", &answer)
	return answer.Held, err
}

func (a *asker) ask(ctx context.Context, question string, answer any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	line, err := a.exchange(ctx, question)
	if err != nil {
		return fmt.Errorf("ask %s: %w", a.addr, err)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		a.drop()
		return fmt.Errorf("ask %s: %w", a.addr, err)
	}
	return nil
}

// exchange returns the answer's line; a.mu is held.
func (a *asker) exchange(ctx context.Context, question string) ([]byte, error) {
	if a.open != "" && (a.open != question || time.Since(a.since) > openLimit) {
		a.drop()
	}
	if a.conn == nil {
		conn, err := a.from.DialContext(ctx, "tcp", a.addr.String())
		if err != nil {
			return nil, err
		}
		a.conn, a.reader = conn, bufio.NewReader(conn)
	}
	deadline, _ := ctx.Deadline() // none: wait
	if err := a.conn.SetDeadline(deadline); err != nil {
		a.drop()
		return nil, err
	}
	conn := a.conn
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if a.open == "" {
		if _, err := a.conn.Write([]byte(question + "\n")); err != nil {
			a.drop()
			return nil, err
		}
		a.open, a.since = question, time.Now()
	}
	more, err := a.reader.ReadBytes('\n')
	a.heard = append(a.heard, more...)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("no answer yet: %w", err)
	}
	if err != nil {
		a.drop()
		return nil, err
	}
	line := a.heard
	a.open, a.heard = "", nil
	return line, nil
}

// drop gives the connection up; a.mu is held.
func (a *asker) drop() {
	if a.conn != nil {
		_ = a.conn.Close() // it has failed already, or is not needed any more
	}
	a.conn, a.reader, a.open, a.heard = nil, nil, "", nil
}

func (a *asker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop()
}
