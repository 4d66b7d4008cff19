package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/hadrill/hadrill/harness"
)

// lockLease is the life of a user's lease in seconds. It is long and not
// renewed: this workload tests mutual exclusion among holders that live. What
// becomes of a holder that outlives its lease is told by package lockset.
const lockLease = 60

// OpenLocks implements harness.LockStore. A lock is a key that only one user
// can create; its fencing token is the revision at which it was created, which
// only ever grows.
func (r *Running) OpenLocks(ctx context.Context, from harness.Vantage) (harness.LockClient, error) {
	c, err := r.open(ctx, from)
	if err != nil {
		return nil, err
	}
	l := &lockClient{client: c}
	if err := l.renew(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return l, nil
}

type lockClient struct {
	*client
	lease clientv3.LeaseID
	token int64
	doubt bool // a lock may be held that nobody knows of
}

// renew gives the lease back, with whatever hangs on it, and takes a new one.
func (c *lockClient) renew(ctx context.Context) error {
	return c.do(ctx, "renew lease", func(ctx context.Context) error {
		if c.lease != 0 {
			if _, err := c.library.Revoke(ctx, c.lease); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
				return err
			}
			c.lease = 0
		}
		granted, err := c.library.Grant(ctx, lockLease)
		if err == nil {
			c.lease, c.doubt = granted.ID, false
		}
		return err
	})
}

func lockKey(lock uint64) string { return "lock/" + strconv.FormatUint(lock, 10) }

func (c *lockClient) Acquire(ctx context.Context, lock uint64) (token int64, acquired bool, err error) {
	if c.doubt {
		if err := c.renew(ctx); err != nil {
			return 0, false, harness.Definite(err)
		}
	}
	err = c.do(ctx, "acquire lock", func(ctx context.Context) error {
		answer, err := c.library.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(lockKey(lock)), "=", 0)).
			Then(clientv3.OpPut(lockKey(lock), "", clientv3.WithLease(c.lease))).
			Commit()
		if err == nil && answer.Succeeded {
			token, acquired = answer.Header.Revision, true
		}
		return err
	})
	if acquired {
		c.token = token
	}
	c.doubt = err != nil && !harness.IsDefinite(err)
	return token, acquired, err
}

func (c *lockClient) Release(ctx context.Context, lock uint64) error {
	lost := false
	err := c.do(ctx, "release lock", func(ctx context.Context) error {
		answer, err := c.library.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(lockKey(lock)), "=", c.token)).
			Then(clientv3.OpDelete(lockKey(lock))).
			Commit()
		lost = err == nil && !answer.Succeeded
		return err
	})
	c.doubt = err != nil
	if lost {
		return harness.Definite(fmt.Errorf("release lock %d: it was already lost", lock))
	}
	return err
}

// Close gives the lease back, and with it every lock that is still held.
func (c *lockClient) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	_, _ = c.library.Revoke(ctx, c.lease) // it ends by itself when nobody answers
	return c.client.Close()
}
