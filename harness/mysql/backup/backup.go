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

const askLimit = time.Second

// Run takes backups of every secondary, at the same moments, until ctx ends.
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
	// A clock of fixed ticks keeps the servers' backups side by side.
	ticker := time.NewTicker(hold + pause)
	defer ticker.Stop()
	for {
		if err := once(ctx, s, hold, say); err != nil && ctx.Err() == nil {
			say(fmt.Sprintf("backup of %s: %v", s.Name, err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// once holds a server if it is a secondary. The lock goes with the session.
func once(ctx context.Context, server manager.Server, hold time.Duration, say func(string)) (err error) {
	s, err := session.New(server.Addr, session.Manager, (&net.Dialer{}).DialContext)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	asking, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var readOnly bool
	if err := s.Scan(asking, "SELECT @@global.super_read_only", &readOnly); err != nil || !readOnly {
		return err
	}
	if err := s.Exec(asking, "FLUSH TABLES WITH READ LOCK"); err != nil {
		return err
	}
	say(fmt.Sprintf("backup of %s: holds for %s", server.Name, hold))
	select {
	case <-ctx.Done():
	case <-time.After(hold):
	}
	say(fmt.Sprintf("backup of %s: done", server.Name))
	return nil
}
