package command_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/runner/record"
)

// frozenPrimary is a drill with damage that would outlive a careless author:
// a process that stays frozen for the rest of the load.
const frozenPrimary = "cache/redis-sentinel/primary-pause"

// inMidFault starts it and returns once the primary is frozen.
func inMidFault(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	p := begin(t, env, "run", "--dir", dir, frozenPrimary)
	p.says(record.PhaseRecovery, 40*time.Second) // the phase after the injection
	time.Sleep(300 * time.Millisecond)
	return p
}

func TestAnInterruptionHealsCleansUpAndLeavesAReadableRun(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		moment string
		begin  func(t *testing.T, dir string) *process
		loaded bool
	}{
		{syscall.SIGINT, "in mid-fault", func(t *testing.T, dir string) *process { return inMidFault(t, dir) }, true},
		{syscall.SIGTERM, "while systems start", func(t *testing.T, dir string) *process {
			p := begin(t, nil, "run", "--dir", dir, "entry/nginx-upstream/null")
			p.says(record.PhaseStart, 10*time.Second)
			time.Sleep(700 * time.Millisecond)
			return p
		}, false},
	} {
		t.Run(c.signal.String()+" "+c.moment, func(t *testing.T) {
			eng := realEngine(t)
			dir := t.TempDir()
			p := c.begin(t, dir)
			p.signal(c.signal)
			took := p.ends(15 * time.Second)
			t.Logf("ended %v after the signal", took.Round(10*time.Millisecond))
			assert.Less(t, took, 10*time.Second)
			assert.Equal(t, 130, p.code())
			assert.Contains(t, p.complaint(), "interrupted")
			nothingLeft(t, eng, dir, 0)

			folder := onlyRun(t, dir)
			log, result := readable(t, folder)
			assert.False(t, log.Truncated, "it ended in good order")
			assert.Equal(t, record.Inconclusive, result.Verdict, result.Reason)
			assert.Contains(t, result.Reason, "interrupted")
			assert.FileExists(t, filepath.Join(folder, "run.json"))
			if c.loaded {
				assert.NotEmpty(t, log.Ops)
				assert.True(t, happened(log, record.StepHealed), "the frozen primary was thawed, and seen to be")
			}
		})
	}
}

func happened(log *record.Log, step record.FaultStep) bool {
	for _, e := range log.Events {
		if e.Kind == record.EventFault && e.Name == step {
			return true
		}
	}
	return false
}

func TestASecondInterruptionEndsItAtOnceAndTheAgentCleansUp(t *testing.T) {
	eng := realEngine(t)
	dir := t.TempDir()
	p := inMidFault(t, dir)
	p.signal(syscall.SIGINT)
	time.Sleep(50 * time.Millisecond)
	p.signal(syscall.SIGINT)
	took := p.ends(5 * time.Second)
	assert.Less(t, took, time.Second)
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	assert.True(t, status.Signaled() && status.Signal() == syscall.SIGINT, "it died of the signal: %v", p.cmd.ProcessState)
	nothingLeft(t, eng, dir, 15*time.Second)
	log, result := readable(t, onlyRun(t, dir))
	assert.NotEmpty(t, log.Ops)
	assert.NotEqual(t, record.Pass, result.Verdict)
}

// The engine goes away in the middle of a load: the run ends with one clear
// error, the frozen process is thawed without the engine's help, and what is
// left is removed by `hadrill clean` with the engine back.
func TestAnEngineThatGoesAwayInMidRunIsOneClearError(t *testing.T) {
	eng := realEngine(t)
	dir := t.TempDir()
	door := openDoor(t, eng.Socket())
	p := inMidFault(t, dir, "DOCKER_HOST=unix://"+door.path)
	run8 := runID(onlyRun(t, dir))
	require.NotEmpty(t, frozen(t, eng, run8), "the fault is in force")

	door.shut()
	took := p.ends(40 * time.Second)
	t.Logf("ended %v after the engine had gone", took.Round(10*time.Millisecond))
	assert.Less(t, took, 20*time.Second)
	assert.Equal(t, 69, p.code())
	said := p.complaint()
	assert.Contains(t, said, "engine does not answer any more", "what")
	assert.Contains(t, said, door.path, "why")
	assert.Contains(t, said, "hadrill clean", "remedy")
	assert.Empty(t, frozen(t, eng, run8), "the agent heals without the engine")
	log, result := readable(t, onlyRun(t, dir))
	assert.False(t, log.Truncated)
	assert.NotEmpty(t, log.Ops)
	assert.Equal(t, record.HarnessError, result.Verdict)

	cleaned := run(t, nil, "clean")
	assert.NotContains(t, cleaned.err.String(), run8, "whatever else this machine has to clean")
	left, err := harness.Residue(t.Context(), eng, run8)
	require.NoError(t, err)
	assert.Empty(t, left)
	door.open(t)
	nothingLeft(t, eng, dir, 15*time.Second) // the sitter, too
}

// The engine is away for a moment only: then nobody has to clean.
func TestWhatARunHasLeftIsRemovedWhenItsEngineIsBack(t *testing.T) {
	eng := realEngine(t)
	dir := t.TempDir()
	door := openDoor(t, eng.Socket())
	p := begin(t, []string{"DOCKER_HOST=unix://" + door.path}, "run", "--dir", dir, "calibration/known-outage")
	p.says(record.PhaseBaseline, 30*time.Second)
	door.shut()
	p.ends(40 * time.Second)
	assert.Equal(t, 69, p.code())
	require.NotEmpty(t, leftovers(t, eng, dir), "nothing can be removed without the engine")
	door.open(t)
	nothingLeft(t, eng, dir, 20*time.Second)
}

// frozen lists the containers of a run that the kernel holds frozen, asked of
// the kernel (cgroup v1 and v2, cgroupfs and systemd driver).
func frozen(t *testing.T, eng *engine.Engine, run string) []string {
	t.Helper()
	list, err := eng.Client().ContainerList(t.Context(), client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", harness.LabelRun+"="+run),
	})
	require.NoError(t, err)
	var found []string
	for _, c := range list.Items {
		for _, pattern := range []string{"/sys/fs/cgroup/freezer/*/%s/freezer.state", "/sys/fs/cgroup/freezer/*/docker-%s.scope/freezer.state",
			"/sys/fs/cgroup/*/%s/cgroup.freeze", "/sys/fs/cgroup/*/docker-%s.scope/cgroup.freeze"} {
			files, err := filepath.Glob(strings.Replace(pattern, "%s", c.ID, 1))
			require.NoError(t, err)
			for _, file := range files {
				state, err := os.ReadFile(file)
				require.NoError(t, err)
				if s := strings.TrimSpace(string(state)); s != "THAWED" && s != "0" {
					found = append(found, c.Names[0]+" "+s)
				}
			}
		}
	}
	return found
}

// door is a way to the engine that can be shut: a unix socket that passes
// bytes on to the engine's own.
type door struct {
	path, engine string

	mu    sync.Mutex
	inner net.Listener
	conns []net.Conn
	wait  sync.WaitGroup
}

func openDoor(t *testing.T, engineSocket string) *door {
	t.Helper()
	dir, err := os.MkdirTemp("", "hadrill-door-") // a socket's path must be short
	require.NoError(t, err)
	d := &door{path: filepath.Join(dir, "engine.sock"), engine: engineSocket}
	t.Cleanup(func() {
		d.shut()
		d.wait.Wait()
		_ = os.RemoveAll(dir)
	})
	d.open(t)
	return d
}

func (d *door) open(t *testing.T) {
	t.Helper()
	inner, err := net.Listen("unix", d.path)
	require.NoError(t, err)
	d.mu.Lock()
	d.inner = inner
	d.mu.Unlock()
	d.wait.Go(func() {
		for {
			from, err := inner.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", d.engine)
			if err != nil {
				_ = from.Close()
				continue
			}
			d.mu.Lock()
			d.conns = append(d.conns, from, to)
			d.mu.Unlock()
			d.wait.Go(func() { pass(to, from) })
			d.wait.Go(func() { pass(from, to) })
		}
	})
}

// pass copies one direction and hands its end on, as a hijacked stream needs.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.UnixConn).CloseWrite()
}

// shut closes the door and everything that goes through it; twice is fine.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.inner.Close()
	for _, c := range d.conns {
		_ = c.Close()
	}
	d.conns = nil
}
