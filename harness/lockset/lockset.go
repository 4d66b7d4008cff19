// Package lockset starts workers that change shared sets under a lock in etcd:
// the smallest system in which a lock must do what it is for.
//
//	clients ──▶ worker-1   worker-2   worker-3       hadrill's own component "locker"
//	                ╲          │          ╱
//	               one holds the lock's lease
//	                           │
//	                etcd-1  etcd-2  etcd-3           the lock, and the sets
//
// Only the holder changes the sets. It reads a set, works on it, and writes it
// back whole, so two holders at once overwrite each other and elements that
// were acknowledged are gone: a lost write in the definitive read is the proof
// that mutual exclusion was broken.
//
// A lease bounds how long a dead holder keeps the lock. It cannot bound how long
// a holder that was merely stopped, by a garbage collection, a hypervisor or a
// freezer, goes on once it runs again (Kleppmann, "How to do distributed
// locking", 2016; etcd's own documentation says the same of its locks). Fencing
// can: the lock's token goes with every write, and the store refuses a write
// whose token is no longer that of the lock. Fencing is the one field in which
// the safe system and its known-bad twin differ.
//
// What to expect: when the holder is killed nobody has the lock for about the
// lease, less what had passed of it since its last renewal: 1.6, 3.7 and 6.2 s
// with leases of 2, 4 and 8 s. Frozen past its lease in the middle of a change
// and thawed, a holder without fencing took back 45 to 48 acknowledged elements;
// with fencing none was lost. A wall clock that jumps an hour, the holder's or
// all of etcd's, changes nothing: leases are counted in monotonic time.
//
// etcd grants no lease shorter than one and a half election time-outs, rounded
// up: 2 s by default.
package lockset

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/etcd"
)

// System is a number of workers that share a lock and sets in etcd.
type System struct {
	Workers int           // at least 2
	Lease   time.Duration // life of the lock's lease, whole seconds; 0: 2 s
	Work    time.Duration // between a change's read and its write; 0: 10 ms
	Fencing bool          // the lock's token goes with every write
	Etcd    etcd.Cluster
}

// Name implements harness.System.
func (System) Name() string { return "etcd-lock" }

var _ harness.System = System{}

// check refuses what cannot be meant.
func (s System) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(s.Workers < 2, "Workers: want at least 2")
	refuse(s.Lease < 0 || s.Lease%time.Second != 0, "Lease: want whole seconds, etcd knows no finer")
	refuse(s.Work < 0, "Work: want none below zero")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("lockset.System: %w", err)
	}
	return nil
}

// settings are a worker's.
func (s System) settings(members []string) map[string]string {
	lease, work, fencing := s.Lease, s.Work, "off"
	if lease == 0 {
		lease = 2 * time.Second
	}
	if work == 0 {
		work = 10 * time.Millisecond
	}
	if s.Fencing {
		fencing = "on"
	}
	return map[string]string{
		"HADRILL_ETCD": strings.Join(members, ","), "HADRILL_LEASE": lease.String(),
		"HADRILL_WORK": work.String(), "HADRILL_FENCING": fencing,
	}
}

// Start implements harness.System.
func (s System) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	store, err := s.Etcd.StartCluster(ctx, env)
	if err != nil {
		return nil, err
	}
	var specs []harness.NodeSpec
	for i := range s.Workers {
		specs = append(specs, components.Spec(env, "locker", fmt.Sprintf("worker-%d", i+1), s.settings(store.Endpoints())))
	}
	workers, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, errors.Join(err, store.Stop(ctx))
	}
	return newRunning(env, store, workers), nil
}
