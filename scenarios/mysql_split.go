package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// mysqlSplit is row db/read-write-split: writes go to the source, reads to
// replicas. Replicas lag, here because backups hold them again and again; a
// session that reads from any replica does not see its own writes. Reading
// from a replica only when it has what the session wrote costs a wait, and a
// replica that takes too long is passed over.
func mysqlSplit() []runner.Scenario {
	system := mysql.SemiSync{
		Replicas: 2, Acks: 1, Reads: mysql.FromCaughtUp,
		Backup: mysql.Backup{Hold: 300 * time.Millisecond, Pause: 400 * time.Millisecond},
	}
	safe := runner.Scenario{
		Row:        "db/read-write-split",
		Profile:    runner.Nightly,
		System:     system,
		Load:       load.Sessions{Rate: 200, Clients: 16, Timeout: time.Second},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.99, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
		Duration:   6 * time.Second,
	}
	sessions := runner.Promises{
		runner.NoFindings(check.ReadYourWrites), runner.NoFindings(check.MonotonicReads),
		runner.Availability(1, 0.99),
	}

	lag := safe
	lag.Name = "db/read-write-split/lag"
	lag.Doc = "Replicas lag behind while backups hold them: sessions see their own writes, from a replica that has them or from the source."
	lag.Promises = sessions

	kill := safe
	kill.Name = "db/read-write-split/replica-kill"
	kill.Doc = "A replica is killed: reads go to the other one, and sessions still see their own writes."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named("mysql-3")))}
	kill.Duration = 9 * time.Second
	kill.Promises = append(runner.Promises{runner.RTO(time.Second, 3*time.Second)}, sessions[:2]...)

	careless := twin(lag, "lag-any-replica",
		"Twin: reads from any replica, however far behind. Sessions do not see what they wrote themselves.",
		runner.FailsOn("check."+check.ReadYourWrites),
		func(s *runner.Scenario) {
			anywhere := system
			anywhere.Reads = mysql.FromReplicas
			s.System = anywhere
		})

	return []runner.Scenario{lag, kill, careless}
}
