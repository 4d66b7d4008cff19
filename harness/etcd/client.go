package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hadrill/hadrill/harness"
)

const (
	dialLimit = 250 * time.Millisecond
	openLimit = 5 * time.Second
)

// client is one virtual user, connected to one member. After a failure it goes
// on with the next member; what was refused, and so did not happen, it asks
// again there, within the operation's own deadline.
type client struct {
	endpoints []string
	from      harness.Vantage
	at        int
	library   *clientv3.Client
}

func (r *Running) open(ctx context.Context, from harness.Vantage) (*client, error) {
	c := &client{endpoints: r.Endpoints(), from: from, at: rand.IntN(len(r.nodes))}
	if err := c.connect(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	if err := c.do(ctx, "connect", func(ctx context.Context) error {
		_, err := c.library.Get(ctx, "hadrill")
		return err
	}); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// connect makes the library's client for the current member; it dials in the
// background.
func (c *client) connect() (err error) {
	c.library, err = clientv3.New(clientv3.Config{
		Endpoints:       []string{c.endpoints[c.at]},
		MaxUnaryRetries: 1, // an attempt, no repetition
		Logger:          zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialLimit)
			defer cancel()
			return c.from.DialContext(ctx, "tcp", address)
		})},
	})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.endpoints[c.at], err)
	}
	return nil
}

// next goes on to the next member.
func (c *client) next() error {
	err := c.library.Close()
	c.at = (c.at + 1) % len(c.endpoints)
	return errors.Join(err, c.connect())
}

// do performs an operation and says what is known of its effect.
func (c *client) do(ctx context.Context, what string, operation func(context.Context) error) error {
	// A member without a leader is to say so, rather than to wait for one.
	asking := clientv3.WithRequireLeader(ctx)
	for range len(c.endpoints) {
		err := operation(asking)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%s at %s: %w", what, c.endpoints[c.at], err)
		definite := refused(err)
		if moved := c.next(); moved != nil && !errors.Is(moved, context.Canceled) {
			err = errors.Join(err, moved)
		}
		switch {
		case !definite:
			return err
		case ctx.Err() != nil:
			return harness.Definite(err)
		}
	}
	return harness.Definite(fmt.Errorf("%s: every member refused", what))
}

// refused tells whether an error means that nothing took effect: the request
// found no connection to leave by, or was turned away before it was proposed.
func refused(err error) bool {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known == rpctypes.ErrNoLeader || known == rpctypes.ErrTooManyRequests || known == rpctypes.ErrNotCapable
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if s, ok := status.FromError(e); ok && s.Code() == codes.Unavailable {
			return strings.Contains(s.Message(), "Error while dialing")
		}
	}
	return false
}

// Close implements the clients' Close.
func (c *client) Close() error {
	if err := c.library.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close client of %s: %w", c.endpoints[c.at], err)
	}
	return nil
}

// OpenRegisters implements harness.RegisterStore.
func (r *Running) OpenRegisters(ctx context.Context, from harness.Vantage) (harness.RegisterClient, error) {
	c, err := r.open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &registerClient{client: c, serializable: r.declared.SerializableReads}, nil
}

type registerClient struct {
	*client
	serializable bool
}

func registerKey(key uint64) string { return "register/" + strconv.FormatUint(key, 10) }

func (c *registerClient) Read(ctx context.Context, key uint64) (value int64, found bool, err error) {
	var options []clientv3.OpOption
	if c.serializable {
		options = append(options, clientv3.WithSerializable())
		// A serializable read needs no leader, so it must not require one.
	}
	err = c.do(ctx, "read register", func(asking context.Context) error {
		if c.serializable {
			asking = ctx
		}
		answer, err := c.library.Get(asking, registerKey(key), options...)
		if err != nil {
			return err
		}
		if found = len(answer.Kvs) == 1; found {
			value, err = strconv.ParseInt(string(answer.Kvs[0].Value), 10, 64)
		}
		return err
	})
	return value, found && err == nil, err
}

func (c *registerClient) Write(ctx context.Context, key uint64, value int64) error {
	return c.do(ctx, "write register", func(ctx context.Context) error {
		_, err := c.library.Put(ctx, registerKey(key), strconv.FormatInt(value, 10))
		return err
	})
}

func (c *registerClient) CompareAndSet(ctx context.Context, key uint64, old, new int64) (swapped bool, err error) {
	err = c.do(ctx, "compare and set register", func(ctx context.Context) error {
		answer, err := c.library.Txn(ctx).
			If(clientv3.Compare(clientv3.Value(registerKey(key)), "=", strconv.FormatInt(old, 10))).
			Then(clientv3.OpPut(registerKey(key), strconv.FormatInt(new, 10))).
			Commit()
		if err == nil {
			swapped = answer.Succeeded
		}
		return err
	})
	return swapped, err
}
