package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/engine"
)

const (
	envVictimRun = "HADRILL_TEST_RUN"
	envMoments   = "HADRILL_SIGKILL_MOMENTS" // how many kills; nightly: 20
	// cleanLimit is how long after the runner's death everything must be gone.
	cleanLimit = 5 * time.Second
)

// victimMain is a runner that gets killed: it starts an agent and nodes,
// freezes one, cuts another off, and says how far it has come.
func victimMain() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := openRoom(ctx, os.Getenv(envVictimRun))
	if err != nil {
		return err
	}
	fmt.Println("agent") // from here on there is something to clean up
	if r.agent, err = Start(ctx, r.engine, Options{Run: r.run}); err != nil {
		return err
	}
	if os.Getenv(envAllDamage) != "" {
		return damageForVictim(ctx, r)
	}
	fmt.Println("nodes")
	if err := r.start(ctx, 3); err != nil {
		return err
	}
	fmt.Println("inject")
	for range 500 {
		h, err := r.agent.Inject(ctx,
			Command{Action: ActionPause, Container: r.nodes[0].id},
			Command{Action: ActionCut, Container: r.nodes[1].id, Params: CutParams{From: []string{r.nodes[2].id}}})
		if err != nil {
			return err
		}
		if _, err := h.Effective(ctx); err != nil {
			return err
		}
		fmt.Println("injected")
		time.Sleep(500 * time.Millisecond)
		if err := h.Heal(ctx); err != nil {
			return err
		}
	}
	return errors.New("nobody killed this runner")
}

// A runner killed at any moment leaves nothing behind. The moments are random
// over the whole start and the first faults; the first ones fall before the
// agent serves.
func TestARunnerKilledAtAnyMomentLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts containers")
	}
	moments := 6
	if text := os.Getenv(envMoments); text != "" {
		_, err := fmt.Sscan(text, &moments)
		require.NoError(t, err)
	}
	ctx := context.Background()
	eng, err := engine.Connect(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	_, err = eng.Self(ctx) // made before the clock runs
	require.NoError(t, err)
	const whole = 2500 * time.Millisecond
	for i := range moments {
		// Stratified: each moment is random within its own share of the start.
		share := whole / time.Duration(moments)
		delay := time.Duration(i)*share + rand.N(share)
		t.Run(fmt.Sprintf("after %v", delay.Round(time.Millisecond)), func(t *testing.T) { killAfter(t, eng, delay) })
	}
}

func killAfter(t *testing.T, eng *engine.Engine, delay time.Duration) {
	run := newRun()
	victim := exec.Command("/proc/self/exe")
	victim.Env = append(os.Environ(), envTestRole+"="+roleVictim, envVictimRun+"="+run)
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	progress := bufio.NewScanner(out)
	require.True(t, progress.Scan(), "the runner began")
	killed := make(chan time.Time)
	go func() {
		time.Sleep(delay)
		_ = victim.Process.Kill()
		killed <- time.Now()
	}()
	reached := progress.Text()
	for progress.Scan() {
		reached = progress.Text()
	}
	at := <-killed
	require.Error(t, victim.Wait())
	for {
		left := append(leftOf(context.Background(), eng.Client(), run), processesOf(t, run)...)
		took := time.Since(at)
		if len(left) == 0 {
			t.Logf("killed in state %q: clean after %v", reached, took.Round(time.Millisecond))
			return
		}
		if took > cleanLimit {
			assertCleanLater(t, eng, run)
			require.Empty(t, left, "killed in state %q: this is left after %v", reached, took)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// assertCleanLater keeps a failed test from leaving its own residue.
func assertCleanLater(t *testing.T, eng *engine.Engine, run string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := &reaper{engine: eng.Client(), run: run}
	t.Log("clean-up after the failure:", r.untilQuiet(ctx))
}

// processesOf lists the host's processes that belong to a run, by the
// environment they were started with: the sitter, the agent, the victim.
func processesOf(t *testing.T, run string) []string {
	var found []string
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	for _, path := range all {
		environ, err := os.ReadFile(path)
		if err != nil {
			continue // gone, or not ours
		}
		for _, v := range strings.Split(string(environ), "\x00") {
			if v == envRun+"="+run || v == envVictimRun+"="+run {
				found = append(found, "process "+strings.Split(path, "/")[2]+" "+v)
			}
		}
	}
	return found
}

// The sitter alone does the work when the agent's container was killed together
// with the runner; what was frozen is thawed by a fresh agent.
func TestRunnerAndAgentKilledTogetherLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts containers")
	}
	ctx := within(t, time.Minute)
	eng, err := engine.Connect(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	run := newRun()
	victim := exec.Command("/proc/self/exe")
	victim.Env = append(os.Environ(), envTestRole+"="+roleVictim, envVictimRun+"="+run)
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	for progress := bufio.NewScanner(out); progress.Scan() && progress.Text() != "injected"; {
	}
	_, err = eng.Client().ContainerKill(ctx, agentName(run, false), client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	require.NoError(t, victim.Process.Kill())
	_ = victim.Wait()
	at := time.Now()
	require.Eventually(t, func() bool {
		return len(leftOf(ctx, eng.Client(), run)) == 0 && len(processesOf(t, run)) == 0
	}, 20*time.Second, 50*time.Millisecond, "%v", leftOf(ctx, eng.Client(), run))
	t.Logf("clean after %v", time.Since(at).Round(time.Millisecond))
}
