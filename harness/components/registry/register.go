package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Registration keeps an instance registered until it is ended. Safe for
// concurrent use.
type Registration struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of the end; read after done
}

// Register makes an instance known and keeps it so, in the background, until
// Deregister is called or ctx ends. It returns at once: whether etcd can be
// reached decides when others see the instance, not whether it may serve. An
// error means that the configuration is wrong.
func Register(ctx context.Context, c Config, service string, i Instance) (*Registration, error) {
	c = c.filled()
	if err := errors.Join(c.check(), i.check()); err != nil {
		return nil, err
	}
	k, err := newConn(c)
	if err != nil {
		return nil, err
	}
	value, err := json.Marshal(i)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("registry: encode instance: %w", err), k.close())
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Registration{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		k := keeper{conn: k, key: c.key(service, i.ID), value: string(value)}
		r.err = errors.Join(k.keep(ctx), k.close())
	}()
	return r, nil
}

// Deregister takes the instance out and returns when etcd has confirmed it, or
// could not. Call it first of all when a service is to stop, and go on serving
// for as long as readers need to see it. More calls do nothing.
func (r *Registration) Deregister() error {
	r.cancel()
	<-r.done
	return r.err
}

// keeper is the background part of a Registration.
type keeper struct {
	*conn
	key, value string
	lease      clientv3.LeaseID // 0: none
}

// keep renews the lease, or takes a new one, until ctx ends; then it revokes it.
func (k *keeper) keep(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := k.config.Lease / 3
		if err := k.once(ctx); err != nil {
			wait = pause
		}
		if !rest(ctx, wait) {
			break
		}
	}
	if k.lease == 0 {
		return nil
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(len(k.config.Endpoints))*callLimit)
	defer cancel()
	var err error
	for range k.config.Endpoints {
		err = k.do(last, "deregister", func(ctx context.Context, l *clientv3.Client) error {
			_, err := l.Revoke(ctx, k.lease)
			if errors.Is(err, rpctypes.ErrLeaseNotFound) {
				err = nil // it has run out: the same thing
			}
			return err
		})
		if err == nil {
			return nil
		}
	}
	return err
}

// once renews the lease, or registers under a new one.
func (k *keeper) once(ctx context.Context) error {
	if k.lease != 0 {
		err := k.do(ctx, "renew lease", func(ctx context.Context, l *clientv3.Client) error {
			_, err := l.KeepAliveOnce(ctx, k.lease)
			if errors.Is(err, rpctypes.ErrLeaseNotFound) {
				k.lease = 0 // an answer, not a failure
				return nil
			}
			return err
		})
		if err != nil || k.lease != 0 {
			return err
		}
		k.config.Say("registry: the lease has run out, registers again")
	}
	return k.do(ctx, "register", func(ctx context.Context, l *clientv3.Client) error {
		granted, err := l.Grant(ctx, int64(k.config.Lease/time.Second))
		if err != nil {
			return err
		}
		if _, err := l.Put(ctx, k.key, k.value, clientv3.WithLease(granted.ID)); err != nil {
			return err // a lease without a key ends by itself
		}
		k.lease = granted.ID
		k.config.Say(fmt.Sprintf("registry: registered as %s", k.key))
		return nil
	})
}
