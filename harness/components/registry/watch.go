package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// resync is how often a reader reads the whole list beside watching it. A watch
// at a frozen member is silent for ever; a read that is not answered shows it.
const resync = time.Second

// Watch calls listed with all instances of a service, ordered by id, whenever
// they may have changed, until ctx ends. It calls from one goroutine and
// returns nil at the end. While etcd cannot be reached it calls nobody, goes on
// trying, and says so once. Entries that cannot be read are left out, and said.
func Watch(ctx context.Context, c Config, service string, listed func([]Instance)) error {
	c = c.filled()
	if err := c.check(); err != nil {
		return err
	}
	k, err := newConn(c)
	if err != nil {
		return err
	}
	w := watcher{conn: k, prefix: c.key(service, ""), listed: listed}
	for ctx.Err() == nil {
		if err := w.follow(ctx); err != nil && ctx.Err() == nil {
			rest(ctx, pause)
		}
	}
	return k.close()
}

type watcher struct {
	*conn
	prefix string
	listed func([]Instance)
	known  map[string]Instance // by key
	read   int64               // revision of the last full read
	last   []Instance          // as told
	told   bool
}

// follow reads the list and keeps up with it until something fails.
func (w *watcher) follow(ctx context.Context) error {
	if err := w.list(ctx); err != nil {
		return err
	}
	watching, stop := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer stop()
	changes := w.library.Watch(watching, w.prefix, clientv3.WithPrefix(), clientv3.WithRev(w.read+1))
	tick := time.NewTicker(resync)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := w.list(ctx); err != nil {
				return err
			}
		case c, open := <-changes:
			if !open {
				return errors.New("registry: watch ended")
			}
			if err := c.Err(); err != nil {
				return fmt.Errorf("registry: watch: %w", err)
			}
			for _, e := range c.Events {
				switch {
				case e.Kv.ModRevision <= w.read: // a full read was ahead of the watch
				case e.Type == clientv3.EventTypeDelete:
					delete(w.known, string(e.Kv.Key))
				default:
					w.learn(string(e.Kv.Key), e.Kv.Value)
				}
			}
			w.tell()
		}
	}
}

// list reads the whole list, as a majority has it.
func (w *watcher) list(ctx context.Context) error {
	err := w.do(ctx, "list instances", func(ctx context.Context, l *clientv3.Client) error {
		answer, err := l.Get(ctx, w.prefix, clientv3.WithPrefix())
		if err != nil {
			return err
		}
		w.known = map[string]Instance{}
		for _, kv := range answer.Kvs {
			w.learn(string(kv.Key), kv.Value)
		}
		w.read = answer.Header.Revision
		return nil
	})
	if err == nil {
		w.tell()
	}
	return err
}

func (w *watcher) learn(key string, value []byte) {
	i, err := decode(value)
	if err != nil {
		w.config.Say(fmt.Sprintf("registry: %s: %v", key, err))
		delete(w.known, key)
		return
	}
	w.known[key] = i
}

// tell passes the list on if it is the first, or another than the last.
func (w *watcher) tell() {
	list := make([]Instance, 0, len(w.known))
	for _, i := range w.known {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	if w.told && slices.Equal(list, w.last) {
		return
	}
	w.last, w.told = list, true
	w.listed(slices.Clone(list))
}
