package scenarios

import (
	"strings"
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// mysqlIsolation is row db/isolation: one MySQL server and concurrent
// transactions. At SERIALIZABLE there is no anomaly; at REPEATABLE READ,
// MySQL's default, there are lost updates, G-single and G2-item without any
// fault (Jepsen's analysis of MySQL 8.0.34, 2023). Availability is not
// promised: at SERIALIZABLE many transactions are rolled back as deadlocks.
func mysqlIsolation() []runner.Scenario {
	safe := runner.Scenario{
		Row:        "db/isolation",
		Profile:    runner.Nightly,
		System:     mysql.Single{Isolation: "SERIALIZABLE"},
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.5, Stable: 2 * time.Second},
		Resolution: 250 * time.Millisecond,
	}

	lists := safe
	lists.Profile = runner.Quick
	lists.Name = "db/isolation/lists"
	lists.Doc = "Transactions that read and append to lists: at SERIALIZABLE their order is that of some serial execution, in real time too."
	lists.Load = load.Lists{Rate: 300, Keys: 8, Clients: 10, Timeout: time.Second}
	lists.Duration = 8 * time.Second
	lists.Promises = runner.Promises{runner.NoFindings(check.StrictSerializable)}

	bank := safe
	bank.Name = "db/isolation/bank"
	bank.Doc = "Transfers by applications that read, compute and write: at SERIALIZABLE no money is made or lost."
	bank.Load = load.Bank{Rate: 300, Accounts: 6, Clients: 10, Timeout: time.Second}
	bank.Duration = 8 * time.Second
	bank.Promises = runner.Promises{runner.NoFindings(check.Bank)}

	kill := lists
	kill.Profile = runner.Nightly
	kill.Name = "db/isolation/lists-kill"
	kill.Doc = "The server is killed under transactions and comes back: what was acknowledged is there, whole, and in order."
	kill.Faults = faults.Schedule{faults.At(3*time.Second, faults.Kill(harness.Primary)).Lasting(time.Second)}
	kill.Duration = 12 * time.Second
	kill.Promises = runner.Promises{runner.NoFindings(check.StrictSerializable), runner.NoLostWrites()}

	repeatable := func(s *runner.Scenario) { s.System = mysql.Single{Isolation: "REPEATABLE READ"} }
	listsTwin := twin(lists, "lists-repeatable-read",
		"Twin: REPEATABLE READ, MySQL's default: transactions overwrite what they did not see, and see what no order of them explains.",
		runner.FailsOn("check."+check.StrictSerializable), repeatable)
	bankTwin := twin(bank, "bank-repeatable-read",
		"Twin: REPEATABLE READ, MySQL's default: two transfers read the same balance, and one of them is lost.",
		runner.FailsOn("check."+check.Bank), repeatable)

	return []runner.Scenario{lists, bank, kill, listsTwin, bankTwin}
}

// isolationLevels prices isolation: what each level lets through, and how many
// transactions it turns away for it.
func isolationLevels() runner.Sweep {
	level := func(name string) runner.Choice {
		// MySQL's variable has a hyphen where its statements have a space.
		return runner.Choice{Label: strings.ReplaceAll(name, " ", "-"), Turn: func(s *runner.Scenario) { s.System = mysql.Single{Isolation: name} }}
	}
	return runner.SweepOf(named(mysqlIsolation(), "db/isolation/lists"), "transaction_isolation",
		"What each level lets through, and how many transactions are rolled back as deadlocks for it.",
		level("READ COMMITTED"), level("REPEATABLE READ"), level("SERIALIZABLE"))
}
