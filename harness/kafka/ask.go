package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hadrill/hadrill/harness"
)

// asker puts questions to one node over one kept connection, in Kafka's own
// protocol (https://kafka.apache.org/protocol). It is not a client of the
// system: it follows no leader and asks each node for its own view. An answer
// that does not come in time costs the connection, so that a late one is never
// taken for the next. Safe for concurrent use; questions queue.
type asker struct {
	from harness.Vantage
	addr netip.AddrPort

	turn chan struct{} // held by who asks; guards the fields below
	conn net.Conn
	last int32 // number of the last question
}

func newAsker(from harness.Vantage, addr netip.Addr, port uint16) *asker {
	return &asker{from: from, addr: netip.AddrPortFrom(addr, port), turn: make(chan struct{}, 1)}
}

const (
	maxAnswer  = 4 << 20
	askDefault = time.Second // for a context without deadline
)

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("hadrill"))

// ask puts one question; its version is the request's own.
func (a *asker) ask(ctx context.Context, question kmsg.Request) (answer kmsg.Response, err error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done(): // another's question is still open
		return nil, fmt.Errorf("ask %s for %s: %w", a.addr, kmsg.NameForKey(question.Key()), ctx.Err())
	}
	if answer, err = a.exchange(ctx, question); err != nil {
		a.drop()
		return nil, fmt.Errorf("ask %s for %s: %w", a.addr, kmsg.NameForKey(question.Key()), err)
	}
	return answer, nil
}

// exchange is ask in one's turn.
func (a *asker) exchange(ctx context.Context, question kmsg.Request) (kmsg.Response, error) {
	if a.conn == nil {
		conn, err := a.from.DialContext(ctx, "tcp", a.addr.String())
		if err != nil {
			return nil, err
		}
		a.conn = conn
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(askDefault)
	}
	if err := a.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	a.last++
	if _, err := a.conn.Write(formatter.AppendRequest(nil, question, a.last)); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(a.conn, head[:]); err != nil {
		return nil, err
	}
	size, number := binary.BigEndian.Uint32(head[:4]), int32(binary.BigEndian.Uint32(head[4:]))
	if size < 4 || size > maxAnswer || number != a.last {
		return nil, fmt.Errorf("an answer of %d bytes to question %d, which was %d", size, number, a.last)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(a.conn, body); err != nil {
		return nil, err
	}
	answer := question.ResponseKind()
	if answer.IsFlexible() {
		if len(body) == 0 || body[0] != 0 {
			return nil, errors.New("the answer's header has tags, which this question's never has")
		}
		body = body[1:]
	}
	return answer, answer.ReadFrom(body)
}

func (a *asker) drop() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn = nil
	}
}

func (a *asker) close() {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	a.drop()
}
