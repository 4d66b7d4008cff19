package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	callLimit = 500 * time.Millisecond // for etcd's answer to one call
	pause     = 100 * time.Millisecond // after a failure, with jitter
)

// conn is a connection to one member at a time. Not for concurrent use.
type conn struct {
	config  Config
	at      int
	library *clientv3.Client
	lost    bool // the last call failed, and that was said
}

func newConn(c Config) (*conn, error) {
	k := &conn{config: c, at: rand.IntN(len(c.Endpoints))}
	return k, k.dial()
}

func (k *conn) dial() (err error) {
	k.library, err = clientv3.New(clientv3.Config{
		Endpoints: []string{k.config.Endpoints[k.at]}, MaxUnaryRetries: 1, Logger: zap.NewNop(),
	})
	if err != nil {
		return fmt.Errorf("registry: connect to %s: %w", k.config.Endpoints[k.at], err)
	}
	return nil
}

// do makes one call with its own time limit. A member without a leader is to
// say so rather than to wait for one. After a failure the next call goes to the
// next member.
func (k *conn) do(ctx context.Context, what string, call func(context.Context, *clientv3.Client) error) error {
	limited, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), callLimit)
	defer cancel()
	err := call(limited, k.library)
	if err == nil {
		if k.lost {
			k.lost = false
			k.config.Say(fmt.Sprintf("registry: reachable again at %s", k.config.Endpoints[k.at]))
		}
		return nil
	}
	err = fmt.Errorf("registry: %s at %s: %w", what, k.config.Endpoints[k.at], err)
	if ctx.Err() != nil {
		return err
	}
	if !k.lost {
		k.lost = true
		k.config.Say(fmt.Sprintf("registry: not reachable, goes on trying: %v", err))
	}
	return errors.Join(err, k.next())
}

// next goes on to the next member.
func (k *conn) next() error {
	closed := k.close()
	k.at = (k.at + 1) % len(k.config.Endpoints)
	return errors.Join(closed, k.dial())
}

func (k *conn) close() error {
	if err := k.library.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("registry: close: %w", err)
	}
	return nil
}

// rest waits a pause with jitter, so that many that failed together do not come
// back together; false when ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
