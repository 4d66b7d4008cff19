package engine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const debianRelease = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\n"

// bare is a host on which nothing is installed and every command is recorded.
type bare struct {
	host
	lock     sync.Mutex
	commands []string
	present  map[string]bool
}

func bareHost(t *testing.T) *bare {
	t.Helper()
	b := &bare{present: map[string]bool{"apt-get": true}}
	socket := filepath.Join(t.TempDir(), "docker.sock")
	b.host = host{
		socket:    socket,
		sockets:   []string{"unix://" + socket},
		release:   debianRelease,
		logFolder: t.TempDir(),
		lookPath: func(name string) (string, error) {
			if b.present[name] {
				return "/usr/bin/" + name, nil
			}
			return "", exec.ErrNotFound
		},
		exists: func(string) bool { return false },
		run: func(_ context.Context, _ reporter, _ string, _ []string, name string, args ...string) error {
			b.lock.Lock()
			defer b.lock.Unlock()
			b.commands = append(b.commands, name+" "+strings.Join(args, " "))
			return nil
		},
		daemon: func(*os.File) (func() bool, error) {
			b.commands = append(b.commands, "dockerd")
			serveFake(t, socket)
			return func() bool { return false }, nil
		},
	}
	return b
}

func TestBringUpInstallsAndStartsOnABareMachine(t *testing.T) {
	b := bareHost(t)
	require.NoError(t, b.bringUp(t.Context(), reporter{}))
	require.Len(t, b.commands, 3)
	assert.True(t, strings.HasPrefix(b.commands[0], "apt-get update"))
	assert.Contains(t, b.commands[1], "--no-install-recommends")
	assert.Contains(t, b.commands[1], "docker.io iptables mmdebstrap")
	assert.Equal(t, "dockerd", b.commands[2])
}

func TestBringUpInstallsNothingThatIsThere(t *testing.T) {
	b := bareHost(t)
	b.present["dockerd"] = true
	require.NoError(t, b.bringUp(t.Context(), reporter{}))
	assert.Equal(t, []string{"dockerd"}, b.commands)
}

func TestBringUpUsesSystemdWhereItRuns(t *testing.T) {
	b := bareHost(t)
	b.present["dockerd"] = true
	b.systemd = true
	record := b.run
	b.run = func(ctx context.Context, report reporter, stage string, environment []string, name string, args ...string) error {
		serveFake(t, b.socket)
		return record(ctx, report, stage, environment, name, args...)
	}
	require.NoError(t, b.bringUp(t.Context(), reporter{}))
	assert.Equal(t, []string{"systemctl start docker"}, b.commands)
}

func TestBringUpSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bare)
		why    string
		remedy string
	}{
		{"not root", func(b *bare) { b.euid = 1000 }, "needs root", "hadrill setup"},
		{"not root, installed", func(b *bare) { b.euid = 1000; b.present["dockerd"] = true }, "starting it needs root", "systemctl start docker"},
		{"another distribution", func(b *bare) { b.release = "ID=fedora\n" }, "Debian and Ubuntu only", "docker-ce"},
		{"unknown distribution", func(b *bare) { b.release = "" }, "Debian and Ubuntu only", "docker-ce"},
		{"no apt", func(b *bare) { b.present["apt-get"] = false }, "apt-get is not here", "docker-ce"},
		{"the user's own engine is down", func(b *bare) { b.sockets = []string{"unix:///nonexistent/mine.sock"} }, "starts an engine on", "unset DOCKER_HOST"},
		{"installing fails", func(b *bare) {
			b.run = func(context.Context, reporter, string, []string, string, ...string) error {
				return errors.New("E: broken")
			}
		}, "E: broken", "repair apt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bareHost(t)
			c.change(b)
			err := b.bringUp(t.Context(), reporter{})
			require.ErrorIs(t, err, ErrNoEngine)
			var problem *Problem
			require.ErrorAs(t, err, &problem)
			assert.Contains(t, problem.Why, c.why)
			assert.Contains(t, problem.Remedy, c.remedy)
			assert.NotContains(t, b.commands, "dockerd")
		})
	}
}

func TestADaemonThatEndsAtOnceIsNotWaitedFor(t *testing.T) {
	b := bareHost(t)
	b.present["dockerd"] = true
	b.daemon = func(log *os.File) (func() bool, error) {
		return startDetached(log, "/bin/sh", "-c", "echo starting; echo no space left >&2; exit 1")
	}
	began := time.Now()
	err := b.bringUp(t.Context(), reporter{})
	require.ErrorIs(t, err, ErrNoEngine)
	assert.ErrorContains(t, err, "no space left")
	assert.Less(t, time.Since(began), 5*time.Second)
}

func TestADetachedProcessHasASessionOfItsOwn(t *testing.T) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	ended, err := startDetached(log, "/bin/sh", "-c", `cut -d" " -f1,6 /proc/$$/stat`)
	require.NoError(t, err)
	require.Eventually(t, ended, 5*time.Second, 5*time.Millisecond)
	text, err := os.ReadFile(log.Name())
	require.NoError(t, err)
	ids := strings.Fields(string(text))
	require.Len(t, ids, 2)
	assert.Equal(t, ids[0], ids[1], "the session leader is the process itself")
}

func TestIsDebian(t *testing.T) {
	for release, want := range map[string]bool{
		debianRelease:                               true,
		"ID=ubuntu\nID_LIKE=debian\n":               true,
		"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n": true,
		"ID=fedora\n":                               false,
		"ID=\"rocky\"\nID_LIKE=\"rhel fedora\"\n":   false,
		"NAME=debian\n":                             false,
		"":                                          false,
	} {
		assert.Equal(t, want, isDebian(release), "%q", release)
	}
}

func TestSetupWithNothingToDoIsQuick(t *testing.T) {
	connected(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	require.NoError(t, Setup(ctx, SetupOptions{}, nil), "the first makes what is missing")

	last := map[string]Event{}
	began := time.Now()
	require.NoError(t, Setup(ctx, SetupOptions{}, func(event Event) { last[event.Component] = event }))
	assert.Less(t, time.Since(began), time.Second)
	for _, component := range []string{"engine", "redis", "nginx", "self"} {
		require.Contains(t, last, component)
		assert.NoError(t, last[component].Err)
	}
}
