package clock_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hadrill/hadrill/faults/clock"
)

// witness is the environment variable that turns this test binary into a
// process that answers each line on its input with the wall-clock and the
// monotonic time it sees, in nanoseconds.
const witness = "HADRILL_TEST_WITNESS"

func TestMain(m *testing.M) {
	if os.Getenv(witness) != "" {
		start := time.Now()
		for range 3 { // threads that ask for the time all the while
			go func() {
				for n := time.Now(); ; n = time.Now() {
					_ = n
				}
			}()
		}
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			n := time.Now()
			fmt.Println(n.UnixNano(), int64(n.Sub(start)))
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// process is a program under test in a cgroup of its own.
type process struct {
	in    *bufio.Writer
	out   *bufio.Scanner
	group clock.Cgroup
	pid   int
}

func cgroup(t testing.TB) clock.Cgroup {
	t.Helper()
	if testing.Short() {
		t.Skip("writes into other processes")
	}
	root := "/sys/fs/cgroup/freezer"
	if _, err := os.Stat(root); err != nil {
		root = "/sys/fs/cgroup"
	}
	dir, err := os.MkdirTemp(root, "hadrill-test-")
	require.NoError(t, err, "make a cgroup (needs root)")
	t.Cleanup(func() { assert.NoError(t, os.Remove(dir)) })
	return clock.Cgroup(dir)
}

func start(t testing.TB, g clock.Cgroup, name string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), witness+"=1")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	require.NoError(t, os.WriteFile(filepath.Join(string(g), "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0))
	p := &process{in: bufio.NewWriter(in), out: bufio.NewScanner(out), group: g, pid: cmd.Process.Pid}
	p.ask(t) // it has started
	return p
}

// ask returns how far the process's wall clock is ahead, and its monotonic time.
func (p *process) ask(t testing.TB) (ahead, monotonic time.Duration) {
	t.Helper()
	_, _ = p.in.WriteString("\n")
	require.NoError(t, p.in.Flush())
	require.True(t, p.out.Scan(), "the process is gone: %v", p.out.Err())
	var wall, mono int64
	_, err := fmt.Sscan(p.out.Text(), &wall, &mono)
	require.NoError(t, err)
	return time.Duration(wall - time.Now().UnixNano()), time.Duration(mono)
}

func goProgram(t testing.TB, g clock.Cgroup) *process { return start(t, g, "/proc/self/exe") }

const python = `
import sys, time
for line in sys.stdin:
    print(time.time_ns(), time.monotonic_ns(), flush=True)
`

func TestRunningProgramsSeeEverySkewAndTheTruthAfterwards(t *testing.T) {
	// What a busy machine may put between a reading and its comparison: 41 ms
	// was seen. Every effect below is at least twice as large.
	const near = 150 * time.Millisecond
	for _, program := range []struct {
		name  string
		start func(t testing.TB, g clock.Cgroup) *process
	}{
		{"static-go", goProgram},
		{"c-library", func(t testing.TB, g clock.Cgroup) *process {
			if _, err := exec.LookPath("python3"); err != nil {
				t.Skip("no python3 at hand")
			}
			return start(t, g, "python3", "-c", python)
		}},
	} {
		t.Run(program.name, func(t *testing.T) {
			p := program.start(t, cgroup(t))
			k, c, err := clock.Keep(t.Context(), p.group, clock.Skew{Jump: time.Hour})
			require.NoError(t, err)
			t.Cleanup(func() { _, _ = k.Close(context.Background()) })
			assert.Equal(t, 1, c.Processes)
			t.Logf("injected in %v", c.After.Sub(c.Before))
			ahead, mono := p.ask(t)
			assert.InDelta(t, time.Hour, ahead, float64(near), "jump forward")

			_, err = k.Set(t.Context(), clock.Skew{Jump: -24 * time.Hour})
			require.NoError(t, err)
			ahead, later := p.ask(t)
			assert.InDelta(t, -24*time.Hour, ahead, float64(near), "jump back")
			assert.Greater(t, later, mono, "the monotonic clock runs on")
			assert.Less(t, later-mono, 5*time.Second)

			_, err = k.Set(t.Context(), clock.Skew{DriftPPM: 500_000})
			require.NoError(t, err)
			time.Sleep(800 * time.Millisecond)
			s, err := k.Status()
			require.NoError(t, err)
			ahead, _ = p.ask(t)
			assert.InDelta(t, time.Since(s.Reference)/2, ahead, float64(near), "half as fast again")

			_, err = k.Set(t.Context(), clock.Skew{Freeze: true})
			require.NoError(t, err)
			a, _ := p.ask(t)
			time.Sleep(300 * time.Millisecond)
			b, _ := p.ask(t)
			assert.InDelta(t, 300*time.Millisecond, a-b, float64(near), "it stands while the world goes on")

			_, err = k.Set(t.Context(), clock.Skew{Jump: time.Minute, Strobe: 20 * time.Millisecond})
			require.NoError(t, err)
			// How many readings fall on which side is the scheduler's doing;
			// that the clock goes to and fro is the strobe's.
			changes, before := 0, false
			for began := time.Now(); changes < 6 && time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
				ahead, _ := p.ask(t)
				if now := ahead > 30*time.Second; now != before {
					changes, before = changes+1, now
				}
			}
			assert.Equal(t, 6, changes, "strobe")

			for range 2 {
				_, err = k.Close(t.Context())
				require.NoError(t, err, "healing twice is fine")
			}
			ahead, _ = p.ask(t)
			assert.InDelta(t, 0, ahead, float64(near), "healed")
			found, err := clock.Residue(p.group)
			require.NoError(t, err)
			assert.Empty(t, found)
		})
	}
}

func TestProcessesStartedLaterAreSkewedToo(t *testing.T) {
	p := goProgram(t, cgroup(t))
	k, _, err := clock.Keep(t.Context(), p.group, clock.Skew{Jump: time.Hour})
	require.NoError(t, err)
	second := goProgram(t, p.group)
	require.Eventually(t, func() bool {
		ahead, _ := second.ask(t)
		return ahead > 59*time.Minute
	}, 5*time.Second, 10*time.Millisecond)
	s, err := k.Status()
	require.NoError(t, err)
	assert.Equal(t, 2, s.Skewed)
	assert.Zero(t, s.True)
	assert.GreaterOrEqual(t, s.Again, 1, "the gap is counted")
	_, err = k.Close(t.Context())
	require.NoError(t, err)
	ahead, _ := second.ask(t)
	assert.InDelta(t, 0, ahead, float64(30*time.Millisecond))
}

func TestAnotherAgentHealsWithoutARecord(t *testing.T) {
	p := goProgram(t, cgroup(t))
	k, _, err := clock.Keep(t.Context(), p.group, clock.Skew{Jump: time.Hour})
	require.NoError(t, err)
	found, err := clock.Residue(p.group)
	require.NoError(t, err)
	assert.Equal(t, []int{p.pid}, found, "the audit sees it")
	_, err = k.Close(t.Context()) // ends the keeper; then a skew of nobody's
	require.NoError(t, err)
	k, _, err = clock.Keep(t.Context(), p.group, clock.Skew{Jump: time.Hour})
	require.NoError(t, err)
	defer func() { _, _ = k.Close(context.Background()) }()

	c, err := clock.Heal(t.Context(), p.group)
	require.NoError(t, err)
	assert.Equal(t, 1, c.Processes)
}

func TestManyPatchesOfABusyProcessHarmNothing(t *testing.T) {
	p := goProgram(t, cgroup(t))
	rounds := 60
	var worst, worstHeal time.Duration
	for n := range rounds {
		k, c, err := clock.Keep(t.Context(), p.group, clock.Skew{Jump: time.Duration(n+1) * time.Minute})
		require.NoError(t, err)
		ahead, _ := p.ask(t)
		require.InDelta(t, time.Duration(n+1)*time.Minute, ahead, float64(100*time.Millisecond), "round %d", n)
		h, err := k.Close(t.Context())
		require.NoError(t, err)
		worst, worstHeal = max(worst, c.After.Sub(c.Before)), max(worstHeal, h.After.Sub(h.Before))
	}
	ahead, _ := p.ask(t)
	assert.InDelta(t, 0, ahead, float64(100*time.Millisecond))
	t.Logf("n=%d: slowest injection %v, slowest healing %v", rounds, worst, worstHeal)
}

func TestFrozenGroupStaysFrozen(t *testing.T) {
	p := goProgram(t, cgroup(t))
	thaw, err := p.group.Freeze(t.Context())
	require.NoError(t, err)
	k, _, err := clock.Keep(t.Context(), p.group, clock.Skew{Jump: time.Hour})
	if err != nil { // a thread may have been frozen on the very spot
		require.NoError(t, thaw())
		t.Skip(err)
	}
	still, err := p.group.Freeze(t.Context())
	require.NoError(t, err)
	require.NoError(t, still(), "which must not thaw what was frozen before")
	require.NoError(t, thaw())
	ahead, _ := p.ask(t)
	assert.InDelta(t, time.Hour, ahead, float64(30*time.Millisecond))
	_, err = k.Close(t.Context())
	require.NoError(t, err)
}

func TestEmptyGroupIsAnErrorAndGoneOneIsHealed(t *testing.T) {
	_, _, err := clock.Keep(t.Context(), cgroup(t), clock.Skew{Jump: time.Hour})
	assert.ErrorContains(t, err, "no process")
	_, err = clock.Heal(t.Context(), clock.Cgroup("/sys/fs/cgroup/freezer/hadrill-gone"))
	assert.NoError(t, err)
}

func TestSkewsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, s := range map[string]clock.Skew{
		"beyond all years":     {Jump: 100 * 365 * 24 * time.Hour},
		"frozen drift":         {Freeze: true, DriftPPM: 1},
		"strobe without jump":  {Strobe: time.Second},
		"strobe too fast":      {Strobe: time.Microsecond, Jump: 1},
		"faster than anything": {DriftPPM: 1e9},
	} {
		assert.Error(t, s.Validate(), name)
	}
	assert.Equal(t, "jump=-1m0s strobe=1s drift=200ppm", clock.Skew{Jump: -time.Minute, Strobe: time.Second, DriftPPM: 200}.String())
}

func TestListingAssemblesToTheEmbeddedCode(t *testing.T) {
	for _, tool := range []string{"as", "objcopy"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	object, binary := filepath.Join(dir, "r.o"), filepath.Join(dir, "r.bin")
	out, err := exec.Command("as", "--64", "-o", object, "testdata/replacement.asm").CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command("objcopy", "-O", "binary", "-j", ".text", object, binary).CombinedOutput()
	require.NoError(t, err, string(out))
	b, err := os.ReadFile(binary)
	require.NoError(t, err)
	source, err := os.ReadFile("code_amd64.go")
	require.NoError(t, err)
	embedded := strings.NewReplacer("\"", "", " ", "", "+", "", "\n", "", "\t", "").Replace(string(source))
	assert.Contains(t, embedded, hex.EncodeToString(b[0xa0:]))
	assert.Len(t, b, 0x1b9)
}
