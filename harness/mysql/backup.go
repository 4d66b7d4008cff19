package mysql

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

const backupName = "backup"

// Backup is a client that holds a global read lock on every secondary, as
// backup tools do to read a consistent state. While it holds, the secondary
// receives but does not apply: it has a backlog. The zero value takes none.
type Backup struct {
	Hold  time.Duration // how long it holds
	Pause time.Duration // between two holds
}

func (b Backup) enabled() bool { return b != Backup{} }

func (b Backup) check() error {
	if b.enabled() && (b.Hold <= 0 || b.Pause <= 0) {
		return errors.New("Backup: want both durations above zero, or none")
	}
	return nil
}

func (b Backup) spec(env *harness.Env, members []member) harness.NodeSpec {
	var servers []string
	for _, m := range members {
		servers = append(servers, fmt.Sprintf("%s=%s:%d", m.name, m.addr, session.Port))
	}
	return components.Spec(env, "mysql-backup", backupName, map[string]string{
		"HADRILL_SERVERS": strings.Join(servers, ","),
		"HADRILL_HOLD":    b.Hold.String(),
		"HADRILL_PAUSE":   b.Pause.String(),
	})
}
