package agent

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is also the nodes of the tests and the runner that gets
// killed: the role is in the environment.
const (
	envTestRole = "HADRILL_TEST_ROLE"
	roleNode    = "node"
	roleVictim  = "victim"
)

func TestMain(m *testing.M) {
	switch os.Getenv(envTestRole) {
	case roleNode:
		nodeMain()
		return
	case roleVictim:
		if err := victimMain(); err != nil {
			fmt.Println("victim:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
