package scenarios_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/suite"
	"github.com/hadrill/hadrill/scenarios"
)

// victimScenario in the environment makes this test binary run one drill and
// nothing else: it is the process that is going to be killed.
const victimScenario = "HADRILL_TEST_VICTIM"

func TestMain(m *testing.M) {
	if name := os.Getenv(victimScenario); name != "" {
		runVictim(name)
		return
	}
	os.Exit(m.Run())
}

func runVictim(name string) {
	eng, err := engine.Connect(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(69)
	}
	for _, s := range scenarios.All() {
		if s.Name == name {
			out := suite.Drill(context.Background(), s, runner.Options{Engine: eng, Dir: os.Getenv("HADRILL_RUNS"), Seed: 1})
			fmt.Fprintln(os.Stderr, out.Err)
		}
	}
}

// cleanWithin is how long after the death of its author anything of a run may
// still be there.
const cleanWithin = 5 * time.Second

// victims are the drills whose runner is killed, in turn, and how long each
// takes: one freezes a node, the other has a disk of its own that lies and
// loses its power.
var victims = []struct {
	scenario string
	takes    time.Duration
}{
	{"cache/redis-sentinel/primary-pause", 14 * time.Second},
	{"disk/redis-single/power-cut-lying-disk", 10 * time.Second},
}

// TestNothingOutlivesAKilledRunner kills a runner with SIGKILL at moments spread
// over a whole drill, from before the first container to the clean-up, and
// looks for what is left. HADRILL_SIGKILL_MOMENTS sets how many moments
// (default 4).
func TestNothingOutlivesAKilledRunner(t *testing.T) {
	if testing.Short() {
		t.Skip("not run under -short: it starts and kills whole drills")
	}
	moments := 4
	if v := os.Getenv("HADRILL_SIGKILL_MOMENTS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err, "HADRILL_SIGKILL_MOMENTS")
		moments = n
	}
	eng, err := engine.Connect(t.Context())
	require.NoError(t, err, "the drill needs a container engine")
	t.Cleanup(func() { assert.NoError(t, eng.Close()) })
	var took []time.Duration
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for i := range moments {
		// One moment in each of as many equal parts of the drill.
		victim := victims[i%len(victims)]
		part := victim.takes / time.Duration(moments)
		after := part*time.Duration(i) + time.Duration(rng.Int64N(int64(part)))
		t.Run(fmt.Sprintf("%s after %v", path.Base(victim.scenario), after.Round(time.Millisecond)), func(t *testing.T) {
			took = append(took, killAfter(t, eng, victim.scenario, after))
		})
	}
	slices.Sort(took)
	t.Logf("SIGKILL of the runner at a random moment: everything gone: n=%d median %v p99 %v max %v",
		len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}

func killAfter(t *testing.T, eng *engine.Engine, scenario string, after time.Duration) (took time.Duration) {
	dir := t.TempDir()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimScenario+"="+scenario, "HADRILL_RUNS="+dir)
	victim.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, victim.Start())
	time.Sleep(after)
	// The whole process group: also what the runner started beside itself.
	require.NoError(t, syscall.Kill(-victim.Process.Pid, syscall.SIGKILL))
	killed := time.Now()
	_ = victim.Wait() // "signal: killed" is what was asked for

	run := runOf(t, dir)
	var left []string
	for time.Since(killed) < cleanWithin {
		left = remains(t, eng, run)
		took = time.Since(killed).Round(10 * time.Millisecond)
		if len(left) == 0 {
			t.Logf("clean %v after the kill", took)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !assert.Emptyf(t, left, "%v after the kill", cleanWithin) {
		return took
	}
	// Still nothing a moment later: no request of the dead runner came late.
	time.Sleep(500 * time.Millisecond)
	assert.Empty(t, remains(t, eng, run), "appeared after everything was clean")
	return took
}

// runOf reads the run's id from its folder's name; "" when the runner died
// before it made one.
func runOf(t *testing.T, dir string) string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if i := strings.LastIndex(e.Name(), "-"); e.IsDir() && i >= 0 {
			return e.Name()[i+1:]
		}
	}
	return ""
}

// remains lists what is left of a run: containers, networks and volumes by
// label, file systems and loop devices by the run's name in their path, and
// processes of the very executable that was killed. (Rules and freezers live in
// the containers' namespaces and cgroups, and go with them.)
func remains(t *testing.T, eng *engine.Engine, run string) []string {
	var left []string
	if run != "" {
		found, err := harness.Residue(t.Context(), eng, run)
		require.NoError(t, err)
		left = append(found, disksOf(t, run)...)
	}
	self, err := os.Stat("/proc/self/exe")
	require.NoError(t, err)
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	require.NoError(t, err)
	for _, link := range links {
		pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
		if info, err := os.Stat(link); err == nil && pid != os.Getpid() && os.SameFile(info, self) {
			left = append(left, fmt.Sprintf("process %d", pid))
		}
	}
	return left
}

// disksOf lists what is mounted or attached to a loop device for a run.
func disksOf(t *testing.T, run string) (left []string) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "hadrill-"+run) {
			left = append(left, "mount "+strings.Fields(line)[4])
		}
	}
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	require.NoError(t, err)
	for _, file := range files {
		if backing, err := os.ReadFile(file); err == nil && strings.Contains(string(backing), "hadrill-"+run) {
			left = append(left, "loop device of "+strings.TrimSpace(string(backing)))
		}
	}
	return left
}
