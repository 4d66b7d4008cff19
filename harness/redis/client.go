package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hadrill/hadrill/harness"
)

const (
	dialLimit  = 250 * time.Millisecond
	replyLimit = 500 * time.Millisecond // or the operation's own deadline, if that is sooner
	bulkLimit  = 5 * time.Second        // for reading a whole set
	// dialsBefore is go-redis' PoolSize. One virtual user holds one connection
	// however large the pool may be; but go-redis takes as many failed dials
	// in a row as a sign to stop dialling and look again once a second, which
	// would show as up to a second of outage that is the client's own. With a
	// pool of one that would be after the first refusal.
	dialsBefore = 256
)

// client is one virtual user: go-redis' failover client, as an application
// would configure it, with the one exception that it never repeats an
// operation by itself (the history must show each attempt).
//
// It asks a sentinel for the primary's address when it connects, keeps that
// connection, and subscribes to +switch-master. Until it is told or its
// connection breaks it goes on writing to the old primary: what that costs is
// part of what is measured.
type client struct {
	goredis.UniversalClient
	wire *wire
	// bulk is for answers that take long: whole sets.
	bulk goredis.Cmdable
	// key names the n-th set or register.
	key func(kind string, n uint64) string
}

// plainKey is a key that may lie anywhere.
func plainKey(kind string, n uint64) string { return kind + ":" + strconv.FormatUint(n, 10) }

func (r *Running) open(ctx context.Context, from harness.Vantage) (*client, error) {
	w := &wire{from: from}
	var sentinels []string
	for _, p := range r.sentinels {
		sentinels = append(sentinels, p.addr.String())
	}
	library := goredis.NewFailoverClient(&goredis.FailoverOptions{
		MasterName: masterName, SentinelAddrs: sentinels,
		Dialer:   w.dial,
		Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: dialLimit, ReadTimeout: replyLimit, WriteTimeout: replyLimit, PoolTimeout: replyLimit,
		ContextTimeoutEnabled: true,
		PoolSize:              dialsBefore, PipelinePoolSize: -1,
	})
	c := &client{UniversalClient: library, wire: w, bulk: library.WithTimeout(bulkLimit), key: plainKey}
	if err := c.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the primary: %w", err), c.Close())
	}
	return c, nil
}

// do runs one operation and says what is known of its effect.
func (c *client) do(what string, operation func() error) error {
	c.wire.sent.Store(false)
	c.wire.lost.Store(nil)
	err := operation()
	if err == nil || errors.Is(err, goredis.Nil) {
		return err
	}
	if lost := c.wire.lost.Load(); lost != nil && errors.Is(err, errNoRepeat) {
		err = *lost // what really happened
	}
	err = fmt.Errorf("%s: %w", what, err)
	if !c.wire.sent.Load() {
		return harness.Definite(err) // no byte of the request has left
	}
	// An error that the server answered (READONLY, NOREPLICAS, LOADING,
	// MASTERDOWN ...) is a refusal: Redis checks before it executes.
	var refused goredis.Error
	if errors.As(err, &refused) {
		return harness.Definite(err)
	}
	return err
}

// wire watches whether a request has left, below the client library: that
// alone tells a failed dial or greeting (nothing happened) from a lost answer
// (anything may have).
//
// It also keeps a library that follows redirections from repeating by itself a
// request that was lost on its way: that one may have taken effect.
type wire struct {
	from harness.Vantage
	sent atomic.Bool           // a request of this operation has left
	lost atomic.Pointer[error] // ... and this is why it got no answer
}

// errNoRepeat is what the library meets when it would send a lost request again.
var errNoRepeat = errors.New("not repeated: the request before it was lost")

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := w.from.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: conn, asked: address, wire: w}, nil
}

type wireConn struct {
	net.Conn
	asked   string
	wire    *wire
	request atomic.Bool // the last thing written was an operation's request
}

// RemoteAddr is the address that was asked for. In a client zone the node is
// reached at another one; go-redis compares this with what the sentinels say,
// and would take every connection for one to an old primary.
func (c *wireConn) RemoteAddr() net.Addr { return asked(c.asked) }

type asked string

func (asked) Network() string  { return "tcp" }
func (a asked) String() string { return string(a) }

func (c *wireConn) Write(b []byte) (int, error) {
	request := !isGreeting(b)
	c.request.Store(request)
	if !request {
		return c.Conn.Write(b)
	}
	if c.wire.lost.Load() != nil {
		return 0, errNoRepeat
	}
	c.wire.sent.Store(true)
	n, err := c.Conn.Write(b)
	c.note(err)
	return n, err
}

func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.note(err)
	return n, err
}

// note remembers why a request got no answer.
func (c *wireConn) note(err error) {
	if err != nil && c.request.Load() {
		c.wire.lost.CompareAndSwap(nil, &err)
	}
}

// isGreeting tells what the library sends by itself: the greeting of a
// connection, and what it asks the sentinels or the cluster.
func isGreeting(b []byte) bool {
	for _, command := range []string{"hello", "client", "sentinel", "subscribe", "ping", "cluster"} {
		// "*2\r\n$5\r\nhello\r\n...": the command is the third line.
		lines := bytes.SplitN(b, []byte("\r\n"), 4)
		if len(lines) == 4 && bytes.EqualFold(lines[2], []byte(command)) {
			return true
		}
	}
	return false
}

// OpenSet implements harness.SetStore.
func (r *Running) OpenSet(ctx context.Context, from harness.Vantage) (harness.SetClient, error) {
	c, err := r.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &setClient{c}, nil
}

type setClient struct{ *client }

func (c *setClient) Add(ctx context.Context, set uint64, element int64) error {
	return c.do("add to set", func() error { return c.SAdd(ctx, c.key("set", set), element).Err() })
}

func (c *setClient) Elements(ctx context.Context, set uint64) (elements []int64, err error) {
	err = c.do("read set", func() error {
		texts, err := c.bulk.SMembers(ctx, c.key("set", set)).Result()
		if err != nil {
			return err
		}
		elements = make([]int64, len(texts))
		for i, text := range texts {
			if elements[i], err = strconv.ParseInt(text, 10, 64); err != nil {
				return fmt.Errorf("element of set %d: %w", set, err)
			}
		}
		return nil
	})
	return elements, err
}

// OpenRegisters implements harness.RegisterStore.
func (r *Running) OpenRegisters(ctx context.Context, from harness.Vantage) (harness.RegisterClient, error) {
	c, err := r.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &registerClient{c}, nil
}

type registerClient struct{ *client }

func (c *registerClient) Read(ctx context.Context, key uint64) (value int64, found bool, err error) {
	err = c.do("read register", func() (err error) {
		value, err = c.Get(ctx, c.key("register", key)).Int64()
		return err
	})
	if errors.Is(err, goredis.Nil) {
		return 0, false, nil
	}
	return value, err == nil, err
}

func (c *registerClient) Write(ctx context.Context, key uint64, value int64) error {
	return c.do("write register", func() error { return c.Set(ctx, c.key("register", key), value, 0).Err() })
}

// swap compares and sets in one step on the server, where nothing comes between.
var swap = goredis.NewScript(`if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("SET", KEYS[1], ARGV[2]) return 1 end return 0`)

func (c *registerClient) CompareAndSet(ctx context.Context, key uint64, old, new int64) (swapped bool, err error) {
	err = c.do("compare and set register", func() error {
		n, err := swap.Eval(ctx, c, []string{c.key("register", key)}, old, new).Int()
		swapped = n == 1
		return err
	})
	return swapped, err
}
