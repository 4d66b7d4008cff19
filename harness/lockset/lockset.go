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
