package components

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	keyEtcd    = "HADRILL_ETCD"
	keyLease   = "HADRILL_LEASE"
	keyWork    = "HADRILL_WORK"
	keyFencing = "HADRILL_FENCING"

	lockerKey   = "locker/lock"
	lockerPause = 50 * time.Millisecond  // between two looks at a lock that another holds
	lockerLimit = 500 * time.Millisecond // for etcd's answer
)

var _ = register("locker", runLocker)

// runLocker is one of several workers of which only the holder of a lock in
// etcd may change the shared sets. Settings:
//
//	HADRILL_ETCD     members, "IP:port,IP:port"
//	HADRILL_LEASE    life of the lock's lease, whole seconds, renewed three times in it
//	HADRILL_WORK     how long a change takes, between its read and its write
//	HADRILL_FENCING  "on": the write carries the lock's token, and etcd refuses
//	                 it once another has held the lock. "off": it does not
//
// A change is a read, some work, and a write of the whole set:
//
//	holder A   read {1,2} ───work───╳ frozen ............... thawed, write {1,2,3}
//	lease      ─────────────────────────────╳ runs out            │
//	holder B                                 lock, write {1,2,4,5}│
//	                                                              ▼
//	          without fencing: 4 and 5 are gone. With it: A's write is refused.
//
// A holder also watches its lease by its own clock and stops when it has not
// been renewed in time. That is good manners and no safety: the clock is looked
// at before the freeze, the write happens after it.
//
// Routes beside those of every component:
//
//	POST /add?set=S&element=E   adds; 503 when this worker may not, and nothing happened
//	GET  /set?set=S             the elements, one a line, as a majority has them
//	GET  /lock                  "TOKEN" while this worker believes that it holds the lock, else "0"
func runLocker(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	w := &locker{
		node: srv.node, sets: map[string]*sync.Mutex{}, lease: s.Duration(keyLease, 2*time.Second), work: s.Duration(keyWork, 10*time.Millisecond),
	}
	members := strings.Split(s.Text(keyEtcd, ""), ",")
	switch fencing := s.Text(keyFencing, "on"); fencing {
	case "on", "off":
		w.fencing = fencing == "on"
	default:
		s.fail(keyFencing, fencing, `"on" or "off"`)
	}
	if w.lease < time.Second || w.lease%time.Second != 0 {
		s.fail(keyLease, w.lease.String(), "whole seconds")
	}
	if err := s.Check(); err != nil {
		return err
	}
	library, err := clientv3.New(clientv3.Config{Endpoints: members, DialTimeout: time.Second, Logger: zap.NewNop()})
	if err != nil {
		return fmt.Errorf("connect to etcd: %w", err)
	}
	defer library.Close()
	w.etcd = library
	srv.handle("POST /add", func(out http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		err := w.add(r.Context(), query.Get("set"), query.Get("element"))
		var refused refusal
		switch {
		case err == nil:
			srv.answer(out, http.StatusOK, "ok")
		case errors.As(err, &refused):
			srv.answer(out, http.StatusServiceUnavailable, err.Error())
		default:
			srv.answer(out, http.StatusInternalServerError, err.Error())
		}
	})
	srv.mux.HandleFunc("GET /set", func(out http.ResponseWriter, r *http.Request) {
		text, err := w.read(r.Context(), r.URL.Query().Get("set"))
		if err != nil {
			srv.answer(out, http.StatusInternalServerError, err.Error())
			return
		}
		srv.answer(out, http.StatusOK, strings.ReplaceAll(text, ",", "\n"))
	})
	srv.mux.HandleFunc("GET /lock", func(out http.ResponseWriter, _ *http.Request) {
		srv.answer(out, http.StatusOK, strconv.FormatInt(w.token(), 10))
	})
	campaign := make(chan struct{})
	go func() {
		defer close(campaign)
		w.campaign(ctx)
	}()
	err = srv.serve(ctx)
	<-campaign
	return err
}

// refusal is an error that says that nothing was changed.
type refusal string

func (r refusal) Error() string { return string(r) }

// locker is the state of a worker.
type locker struct {
	node    string
	lease   time.Duration
	work    time.Duration
	fencing bool
	etcd    *clientv3.Client

	mu      sync.Mutex
	sets    map[string]*sync.Mutex // a set is changed by one at a time
	held    int64                  // token, 0 when not held
	renewed time.Time              // when the lease was last known to be renewed
}

// token is the lock's token while this worker believes that it holds it.
func (w *locker) token() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.renewed) >= w.lease {
		return 0
	}
	return w.held
}

func (w *locker) set(token int64, renewed time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held, w.renewed = token, renewed
}

func (w *locker) mutexOf(set string) *sync.Mutex {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sets[set] == nil {
		w.sets[set] = new(sync.Mutex)
	}
	return w.sets[set]
}

func lockerSet(set string) string { return "locker/set/" + set }

// read returns the elements of a set, separated by commas.
func (w *locker) read(ctx context.Context, set string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lockerLimit)
	defer cancel()
	answer, err := w.etcd.Get(ctx, lockerSet(set))
	if err != nil {
		return "", fmt.Errorf("read set: %w", err)
	}
	if len(answer.Kvs) == 0 {
		return "", nil
	}
	return string(answer.Kvs[0].Value), nil
}

// add changes a set under the lock.
func (w *locker) add(ctx context.Context, set, element string) error {
	if _, err := strconv.ParseInt(element, 10, 64); err != nil || set == "" {
		return refusal("set, element: want a name and a number")
	}
	changing := w.mutexOf(set)
	changing.Lock()
	defer changing.Unlock()
	token := w.token()
	if token == 0 {
		return refusal("this worker does not hold the lock")
	}
	if ctx.Err() != nil {
		return refusal("the client has gone")
	}
	elements, err := w.read(ctx, set)
	if err != nil {
		return refusal(err.Error())
	}
	time.Sleep(w.work)
	if elements != "" {
		elements += ","
	}
	// The client's patience ends nothing from here on: the write is under way.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockerLimit)
	defer cancel()
	write := w.etcd.Txn(ctx)
	if w.fencing {
		write = write.If(clientv3.Compare(clientv3.CreateRevision(lockerKey), "=", token))
	}
	answer, err := write.Then(clientv3.OpPut(lockerSet(set), elements+element)).Commit()
	switch {
	case err != nil:
		return fmt.Errorf("write set: %w", err)
	case !answer.Succeeded:
		return refusal("fenced off: another has held the lock since")
	}
	return nil
}

// campaign tries for the lock, holds it for as long as it can, and again.
func (w *locker) campaign(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.holdOnce(ctx); err != nil && ctx.Err() == nil {
			fmt.Printf("%s: %v\n", w.node, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockerPause):
		}
	}
}

// holdOnce takes the lock, if it is free, and returns when it is lost.
func (w *locker) holdOnce(ctx context.Context) error {
	free, err := w.free(ctx)
	if err != nil || !free {
		return err
	}
	fmt.Printf("%s finds the lock free\n", w.node)
	lease, token, at, err := w.acquire(ctx)
	if err != nil || token == 0 {
		return err
	}
	w.set(token, at)
	fmt.Printf("%s holds the lock with token %d\n", w.node, token)
	defer func() {
		w.set(0, time.Time{})
		fmt.Printf("%s has lost the lock with token %d\n", w.node, token)
	}()
	tick := time.NewTicker(w.lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockerLimit)
			defer cancel()
			_, err := w.etcd.Revoke(rest, lease)
			return err
		case <-tick.C:
		}
		asked := time.Now()
		limited, cancel := context.WithTimeout(ctx, lockerLimit)
		_, err := w.etcd.KeepAliveOnce(limited, lease)
		cancel()
		switch {
		case err == nil:
			w.set(token, asked)
		case errors.Is(err, rpctypes.ErrLeaseNotFound), time.Since(w.lastRenewal()) >= w.lease:
			return fmt.Errorf("renew lease: %w", err)
		}
	}
}

func (w *locker) lastRenewal() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.renewed
}

func (w *locker) free(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lockerLimit)
	defer cancel()
	answer, err := w.etcd.Get(ctx, lockerKey, clientv3.WithCountOnly())
	if err != nil {
		return false, fmt.Errorf("look at the lock: %w", err)
	}
	return answer.Count == 0, nil
}

// acquire creates the lock's key under a fresh lease. The token is the revision
// of its creation, which only ever grows; 0 when another was faster.
func (w *locker) acquire(ctx context.Context) (lease clientv3.LeaseID, token int64, at time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockerLimit)
	defer cancel()
	at = time.Now() // before the lease is granted: it cannot end later than etcd thinks
	granted, err := w.etcd.Grant(ctx, int64(w.lease/time.Second))
	if err != nil {
		return 0, 0, at, fmt.Errorf("grant lease: %w", err)
	}
	answer, err := w.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(lockerKey), "=", 0)).
		Then(clientv3.OpPut(lockerKey, w.node, clientv3.WithLease(granted.ID))).
		Commit()
	if err != nil {
		return 0, 0, at, fmt.Errorf("take lock: %w", err)
	}
	if !answer.Succeeded {
		_, err := w.etcd.Revoke(ctx, granted.ID)
		return 0, 0, at, err
	}
	return granted.ID, answer.Header.Revision, at, nil
}
