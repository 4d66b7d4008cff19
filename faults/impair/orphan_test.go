package impair_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/internal/netlab"
)

// victim is the environment variable that turns this test binary into a tool
// that impairs the namespace it names and waits to be killed or stopped.
const victim = "HADRILL_TEST_IMPAIR"

func TestMain(m *testing.M) {
	if ns := os.Getenv(victim); ns != "" {
		i, err := impair.Open(ns, impair.Options{})
		if err == nil {
			_, err = i.Set(context.Background(), impair.Link{}, impair.Impairment{Delay: 25 * time.Second})
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("impaired")
		time.Sleep(time.Minute)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestKilledOrStoppedToolStopsImpairing(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal unix.Signal
		within time.Duration
	}{
		{"killed", unix.SIGKILL, 500 * time.Millisecond},
		{"stopped", unix.SIGSTOP, impair.LeaseTime + time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := netlab.New(t)
			tool := exec.Command("/proc/self/exe")
			tool.Env = append(os.Environ(), victim+"="+p.Right.Path)
			out, err := tool.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, tool.Start())
			t.Cleanup(func() { _, _ = tool.Process.Kill(), tool.Wait() })
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "impaired\n", line)

			require.Empty(t, p.Probe(t, 7200, 20, 1000, 100*time.Millisecond), "everything is held")
			require.NoError(t, tool.Process.Signal(c.signal))
			start := time.Now()
			for len(p.Probe(t, 7201, 1, 1000, 50*time.Millisecond)) == 0 {
				require.Less(t, time.Since(start), 10*time.Second, "packets never pass again")
			}
			took := time.Since(start)
			t.Logf("packets pass %v after %v", took.Round(time.Millisecond), c.signal)
			assert.Less(t, took, c.within)

			require.NoError(t, tool.Process.Kill())
			_ = tool.Wait()
			require.Eventually(t, func() bool {
				found, err := impair.Residue(p.Right.Path)
				return assert.NoError(t, err) && len(found) == 0
			}, time.Second, 10*time.Millisecond, "the kernel deletes table and queue with the process")
		})
	}
}
