package engine

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// greeting is what this test binary prints when it finds itself in a container
// made from the image of itself.
const greeting = "hello from the inside"

func TestMain(m *testing.M) {
	if os.Getenv("HADRILL_ENGINE_TEST_SELF") != "" {
		fmt.Println(greeting)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
