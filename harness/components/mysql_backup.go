package components

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness/mysql/backup"
)

var _ = register("mysql-backup", runMySQLBackup)

// runMySQLBackup holds MySQL secondaries now and then; see package backup.
// Settings:
//
//	HADRILL_SERVERS  "name=IP:port,..."
//	HADRILL_HOLD     how long a secondary is held
//	HADRILL_PAUSE    between two holds
func runMySQLBackup(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	servers, listErr := parseServers(s.Text("HADRILL_SERVERS", ""))
	hold, pause := s.Duration("HADRILL_HOLD", 5*time.Second), s.Duration("HADRILL_PAUSE", time.Second)
	if err := errors.Join(s.Check(), listErr); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- backup.Run(ctx, servers, hold, pause, func(line string) { fmt.Println(line) }) }()
	err := srv.serve(ctx)
	stop()
	return errors.Join(err, <-ended)
}
