package mysql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

// The wait points of semi-synchronous replication
// (rpl_semi_sync_source_wait_point, MySQL reference manual 19.4.10).
const (
	// AfterSync waits between the binary log and the storage engine: nobody
	// sees a row before a replica has it.
	AfterSync = "AFTER_SYNC"
	// AfterCommit waits after the storage engine: others read rows that may
	// yet vanish.
	AfterCommit = "AFTER_COMMIT"
)

// SemiSync is a source with replicas, GTIDs, and a manager that fails over.
type SemiSync struct {
	Replicas int // beside the source; at least 1
	// Acks is how many replicas must have a transaction before its commit is
	// acknowledged. 0 turns semi-sync off: replication is asynchronous.
	Acks int
	// WaitPoint is AfterSync (the default, empty) or AfterCommit.
	WaitPoint string
	// AckTimeout is how long a commit waits for acknowledgements before the
	// source silently goes on without (MySQL's default: 10 s). 0: it never does.
	AckTimeout time.Duration

	// DownAfter is the silence after which the manager takes a source for
	// dead, if the replicas lost it too; default 1 s.
	DownAfter time.Duration
	// NetTimeout is how long a replica waits for a heartbeat before it takes
	// its source for lost (replica_net_timeout), whole seconds; default 1 s.
	// MySQL's own default of 60 s would delay a failover by as much whenever
	// the source hangs instead of dying.
	NetTimeout time.Duration

	// Isolation is the sessions' transaction isolation level; empty is
	// MySQL's default, "REPEATABLE READ".
	Isolation string
	// Reads is where registers are read from; empty is FromSource.
	Reads Reads
	// Backup holds the replicas' appliers now and then, as backups do.
	Backup Backup
	// Disk gives the first server, which is the first source, a disk of its own
	// for faults of disks; empty: none. (Three of them would mostly show how slow
	// one machine is that syncs for three.)
	Disk Disk
	// NoSync leaves it to the kernel when the binary log is on disk, and syncs
	// the redo log once a second, as guides to speed have it (sync_binlog=0,
	// innodb_flush_log_at_trx_commit=2). By default each commit is on disk
	// before it is acknowledged.
	NoSync bool
	// Zones places server i in Zones[i mod len]. Empty: one zone.
	Zones []string
}

const (
	managerName = "manager"
	heartbeat   = 250 * time.Millisecond
	pollPeriod  = 100 * time.Millisecond
)

// Name implements harness.System.
func (SemiSync) Name() string { return "mysql-semisync" }

var _ harness.System = SemiSync{}

func (s SemiSync) downAfter() time.Duration { return orDefault(s.DownAfter, time.Second) }

func (s SemiSync) netTimeout() time.Duration { return orDefault(s.NetTimeout, time.Second) }

func (s SemiSync) waitPoint() string {
	if s.WaitPoint == "" {
		return AfterSync
	}
	return s.WaitPoint
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// check refuses what cannot be meant.
func (s SemiSync) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(s.Replicas < 1, "Replicas: want at least 1")
	refuse(s.Acks < 0 || s.Acks > s.Replicas, "Acks: want 0 (asynchronous) up to the number of replicas")
	refuse(s.waitPoint() != AfterSync && s.waitPoint() != AfterCommit, "WaitPoint: want AFTER_SYNC or AFTER_COMMIT")
	refuse(s.AckTimeout < 0 || s.DownAfter < 0 || s.NetTimeout < 0, "durations: want none below zero")
	refuse(s.AckTimeout%time.Millisecond != 0, "AckTimeout: want whole milliseconds")
	refuse(s.NetTimeout%time.Second != 0, "NetTimeout: want whole seconds, MySQL knows no finer")
	refuse(!knownIsolation(s.Isolation), "Isolation: is no isolation level of MySQL")
	refuse(!s.Reads.known(), "Reads: want FromSource, FromReplicas or FromCaughtUp")
	refuse(!s.Disk.known(), "Disk: want PlainDisk or InterposedDisk, or none")
	errs = append(errs, s.Backup.check())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("mysql.SemiSync: %w", err)
	}
	return nil
}

// Start implements harness.System: servers and manager side by side. The
// manager makes the first server the source.
func (s SemiSync) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	members := plan(env, s.Replicas+1)
	var specs []harness.NodeSpec
	for i, m := range members {
		made, err := spec(env, m, zone(s.Zones, i), s.config(members, i), s.disk(i).volumes()...)
		if err != nil {
			return nil, err
		}
		specs = append(specs, made)
	}
	specs = append(specs, components.Spec(env, "mysql-manager", managerName, s.managerSettings(members)))
	if s.Backup.enabled() {
		specs = append(specs, s.Backup.spec(env, members))
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	return newSemiSyncRunning(s, env, nodes)
}

// managerSettings are the variables of the manager's container.
func (s SemiSync) managerSettings(members []member) map[string]string {
	var servers []string
	for _, m := range members {
		servers = append(servers, fmt.Sprintf("%s=%s:%d", m.name, m.addr, session.Port))
	}
	return map[string]string{
		"HADRILL_SERVERS":     strings.Join(servers, ","),
		"HADRILL_ACKS":        strconv.Itoa(s.Acks),
		"HADRILL_WAIT_POINT":  s.waitPoint(),
		"HADRILL_ACK_TIMEOUT": s.AckTimeout.String(),
		"HADRILL_DOWN_AFTER":  s.downAfter().String(),
		"HADRILL_POLL":        pollPeriod.String(),
		"HADRILL_HEARTBEAT":   heartbeat.String(),
	}
}

func zone(zones []string, i int) string {
	if len(zones) == 0 {
		return ""
	}
	return zones[i%len(zones)]
}

// knownIsolation tells whether a text is one of MySQL's levels, or empty.
func knownIsolation(level string) bool {
	switch level {
	case "", "READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE":
		return true
	}
	return false
}
