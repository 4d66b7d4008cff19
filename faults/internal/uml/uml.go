// Package uml runs tests on another kernel: Debian's user-mode-linux, which has
// what the machine's own kernel may lack (netem, veth, nf_tables as modules).
//
//	go test ── boots ──▶ linux.uml, a process without privileges
//	   ▲                   │ root file system: the machine's own, read-only
//	   │                   ▼
//	   └── output ◀── the same test binary as init: mounts /proc and /sys, loads
//	                  modules, runs the chosen tests, powers off
//
// It boots in about two seconds. A test package calls [Main] from its TestMain
// and [Run] from one test.
package uml

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Executable is the kernel, of package user-mode-linux.
const Executable = "/usr/bin/linux.uml"

const (
	patternVariable = "HADRILL_UML_RUN"
	modulesVariable = "HADRILL_UML_MODULES"
	exitMark        = "user mode linux: tests ended with "
)

// Inside says whether this process runs on the other kernel.
func Inside() bool { return os.Getenv(patternVariable) != "" && os.Getpid() == 1 }

// Main returns at once on the machine's own kernel. On the other it runs the
// tests and never returns.
func Main(m *testing.M) {
	if os.Getenv(launchVariable) != "" && !Inside() {
		launch()
	}
	if !Inside() {
		return
	}
	code := 1
	if err := prepare(strings.Split(os.Getenv(modulesVariable), ",")); err != nil {
		fmt.Println(err)
	} else {
		os.Args = []string{os.Args[0], "-test.v", "-test.timeout=100s", "-test.run=" + os.Getenv(patternVariable)}
		flag.Parse()
		code = m.Run()
	}
	fmt.Printf("%s%d\n", exitMark, code)
	time.Sleep(50 * time.Millisecond) // the console empties its buffer
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// Run boots the other kernel, loads modules there and runs the tests of this
// binary whose names match the pattern (no spaces). It fails the test with
// their output unless all of them passed and at least one ran.
func Run(t *testing.T, pattern string, modules ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots another kernel")
	}
	_, err := os.Stat(Executable)
	require.NoError(t, err, "install it as part of the set-up: apt-get install -y user-mode-linux")
	self, err := os.Executable()
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 110*time.Second)
	defer cancel()
	arguments := []string{"mem=192M",
		"root=none", "rootfstype=hostfs", "rootflags=/", "ro", "init=" + self,
		"con=null", "con0=null,fd:1", "con1=null", "ssl=null", "panic=-1", "quiet",
		patternVariable + "=" + pattern, modulesVariable + "=" + strings.Join(modules, ",")}
	program, env := Executable, append(os.Environ(), "TMPDIR="+t.TempDir())
	if wideState() {
		program, env, arguments = self, append(env, launchVariable+"=1"), append(arguments, noWideState...)
	}
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Env = env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out // a buffer means a pipe, which the console needs
	cmd.WaitDelay = 2 * time.Second
	start := time.Now()
	runErr := cmd.Run()
	text := strings.ReplaceAll(out.String(), "\r", "")
	t.Logf("booted, tested and off in %v (%v):\n%s", time.Since(start).Round(10*time.Millisecond), runErr, text)
	require.True(t, strings.Contains(text, exitMark+"0\n"), "the tests on the other kernel failed, see above")
	require.True(t, strings.Contains(text, "--- PASS"), "no test ran on the other kernel, see above")
}

// prepare is what an init has to do before a test can run.
func prepare(modules []string) error {
	for _, m := range []struct{ kind, path string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}} {
		if err := unix.Mount(m.kind, m.path, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.path, err)
		}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("read kernel release: %w", err)
	}
	dir := filepath.Join("/usr/lib/uml/modules", unix.ByteSliceToString(u.Release[:]))
	index, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return fmt.Errorf("read module index: %w", err)
	}
	for _, m := range modules {
		if err := load(dir, string(index), m); err != nil {
			return err
		}
	}
	return nil
}

// load inserts a module after those it depends on, which its line of
// modules.dep lists, nearest first.
func load(dir, index, module string) error {
	for line := range strings.Lines(index) {
		name, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || filepath.Base(name) != module+".ko" {
			continue
		}
		all := append([]string{name}, strings.Fields(needs)...)
		for i := len(all) - 1; i >= 0; i-- {
			f, err := os.Open(filepath.Join(dir, all[i]))
			if err != nil {
				return fmt.Errorf("open module: %w", err)
			}
			err = unix.FinitModule(int(f.Fd()), "", 0)
			_ = f.Close()
			if err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("load module %s: %w", all[i], err)
			}
		}
		return nil
	}
	return fmt.Errorf("the kernel has no module %s", module)
}
