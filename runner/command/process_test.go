package command_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
)

// These tests treat hadrill as its users do: as a program that is started,
// interrupted, starved, and left alone with what it has begun. Everything is
// read off its exit code, its words, its folders and the engine.

// builtIn is the folder of the program once it was asked for.
var builtIn string

// built is the program, made once for all tests of this package.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hadrill-process-test-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	program := filepath.Join(dir, "hadrill")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = moduleRoot
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return program, nil
})

const moduleRoot = "../.."

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(builtIn) // "" is nothing
	os.Exit(code)
}

func program(t *testing.T) string {
	t.Helper()
	path, err := built()
	require.NoError(t, err)
	return path
}

// process is hadrill under way.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     bytes.Buffer
	err     watched
	began   time.Time
	elapsed time.Duration
	done    chan struct{}
	failure error
}

// begin starts hadrill in a process group of its own, with env on top of the
// test's own environment. It is killed should the test end before it.
func begin(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program(t), args...), began: time.Now(), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		p.failure = p.cmd.Wait()
		p.elapsed = time.Since(p.began)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("hadrill %s\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), p.out.String(), p.err.String())
		}
	})
	return p
}

// run runs hadrill to its end.
func run(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := begin(t, env, args...)
	p.ends(2 * time.Minute)
	return p
}

// ends waits for the end of the process and returns how long that took.
func (p *process) ends(within time.Duration) time.Duration {
	p.t.Helper()
	asked := time.Now()
	select {
	case <-p.done:
	case <-time.After(within):
		require.FailNowf(p.t, "hadrill hangs", "it still runs after %v", within)
	}
	return time.Since(asked)
}

// says waits until the process has printed text to its standard error.
func (p *process) says(text string, within time.Duration) {
	p.t.Helper()
	require.Eventuallyf(p.t, func() bool { return strings.Contains(p.err.String(), text) }, within, 10*time.Millisecond,
		"waiting for it to say %q", text)
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// code is the exit code, -1 for a death by signal.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

// complaint is what hadrill had to say of what went wrong: its lines that
// begin with its name, which must be exactly one.
func (p *process) complaint() string {
	p.t.Helper()
	var found []string
	for line := range strings.Lines(p.err.String()) {
		if text, ok := strings.CutPrefix(line, "hadrill: "); ok {
			found = append(found, strings.TrimSpace(text))
		}
	}
	require.Lenf(p.t, found, 1, "one error, told once; stderr was:\n%s", p.err.String())
	return found[0]
}

// watched is a buffer that can be read while it is written to.
type watched struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// realEngine connects the test itself, or skips it under -short.
func realEngine(t *testing.T) *engine.Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("not run under -short: needs the container engine")
	}
	eng, err := engine.Connect(t.Context())
	require.NoError(t, err, "this test needs a container engine")
	t.Cleanup(func() { assert.NoError(t, eng.Close()) })
	return eng
}

var runFolder = regexp.MustCompile(`-[0-9a-f]{8}$`)

// runFolders lists the folders of the runs below dir.
func runFolders(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && runFolder.MatchString(e.Name()) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// onlyRun is the folder of the one run below dir.
func onlyRun(t *testing.T, dir string) string {
	t.Helper()
	found := runFolders(t, dir)
	require.Len(t, found, 1, "one run folder")
	return found[0]
}

func runID(folder string) string { return folder[strings.LastIndexByte(folder, '-')+1:] }

// leftovers lists what the runs below dir have left behind: what carries their
// labels, and processes of the program, such as sitters.
func leftovers(t *testing.T, eng *engine.Engine, dir string) []string {
	t.Helper()
	var left []string
	for _, folder := range runFolders(t, dir) {
		found, err := harness.Residue(context.Background(), eng, runID(folder))
		require.NoError(t, err)
		left = append(left, found...)
	}
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	require.NoError(t, err)
	for _, link := range links {
		// A process that ends meanwhile, or is a stranger's, is not ours.
		if target, err := os.Readlink(link); err == nil && target == program(t) {
			left = append(left, "process "+strings.Split(link, "/")[2])
		}
	}
	return left
}

// nothingLeft requires that nothing is left, at once or within a time, and
// that nothing comes back after that.
func nothingLeft(t *testing.T, eng *engine.Engine, dir string, within time.Duration) {
	t.Helper()
	asked := time.Now()
	var left []string
	for {
		if left = leftovers(t, eng, dir); len(left) == 0 || time.Since(asked) >= within {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Emptyf(t, left, "left behind after %v", within)
	if within > 0 {
		t.Logf("clean after %v", time.Since(asked).Round(10*time.Millisecond))
	}
	time.Sleep(300 * time.Millisecond)
	require.Empty(t, leftovers(t, eng, dir), "came back after everything was gone")
}
