// Package backup holds MySQL secondaries still for a while, as backup tools do
// that need a consistent state: FLUSH TABLES WITH READ LOCK. A secondary that
// is held goes on receiving and acknowledging, but applies nothing, so that it
// would be promoted with a backlog.
package backup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness/mysql/internal/session"
	"github.com/hadrill/hadrill/harness/mysql/manager"
)

const (
	askLimit = time.Second
	askAgain = 200 * time.Millisecond // of a server that is no secondary now
)

// Run takes backups of every secondary, each by itself, until ctx ends.
// Say is told of each.
func Run(ctx context.Context, servers []manager.Server, hold, pause time.Duration, say func(string)) error {
	var group sync.WaitGroup
	errs := make([]error, len(servers))
	for i, s := range servers {
		group.Go(func() { errs[i] = repeat(ctx, s, hold, pause, say) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func repeat(ctx context.Context, s manager.Server, hold, pause time.Duration, say func(string)) error {
	for {
		wait := pause
		if held, err := once(ctx, s, hold, say); err != nil && ctx.Err() == nil {
			say(fmt.Sprintf("backup of %s: %v", s.Name, err))
		} else if !held {
			wait = min(pause, askAgain)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// secondaryQuery tells a server that takes no writes and replicates: a replica
// of its own, or an online secondary of a group.
const secondaryQuery = "SELECT @@global.super_read_only AND (" +
	"EXISTS(SELECT 1 FROM mysql.slave_master_info WHERE Channel_name = '') OR " +
	"EXISTS(SELECT 1 FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid AND MEMBER_STATE = 'ONLINE' AND MEMBER_ROLE = 'SECONDARY'))"

// once holds a server if it is a secondary. The lock goes with the session.
func once(ctx context.Context, server manager.Server, hold time.Duration, say func(string)) (held bool, err error) {
	s, err := session.New(server.Addr, session.Manager, (&net.Dialer{}).DialContext)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	asking, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var secondary bool
	if err := s.Scan(asking, secondaryQuery, &secondary); err != nil || !secondary {
		return false, err
	}
	if err := s.Exec(asking, "FLUSH TABLES WITH READ LOCK"); err != nil {
		return false, err
	}
	say(fmt.Sprintf("backup of %s: holds for %s", server.Name, hold))
	select {
	case <-ctx.Done():
	case <-time.After(hold):
	}
	say(fmt.Sprintf("backup of %s: done", server.Name))
	return true, nil
}
