package disk_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/faults/disk"
)

// worker is the environment variable that turns this test binary into the
// process that uses a volume. It must be another one than the server of an
// interposed volume: a process that waits for itself stands still.
const worker = "HADRILL_TEST_DISK"

func TestMain(m *testing.M) {
	if os.Getenv(worker) != "" {
		work()
		return
	}
	goleak.VerifyTestMain(m)
}

// work obeys lines "put times sync path text" and "get path"; an answer is
// "ok text" or the number of the first error and how many there were.
func work() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		f := strings.SplitN(in.Text(), " ", 5)
		switch f[0] {
		case "get":
			b, _ := os.ReadFile(f[1])
			fmt.Printf("ok %s\n", b)
		case "put":
			times, _ := strconv.Atoi(f[1])
			var first error
			failed := 0
			for range times {
				if err := write(f[3], f[4], f[2] == "true"); err != nil {
					failed++
					first = err
				}
			}
			var errno syscall.Errno
			errors.As(first, &errno)
			fmt.Printf("%d %d\n", int(errno), failed)
		}
	}
}

func write(path, text string, sync bool) error {
	if length, ok := strings.CutPrefix(text, "big:"); ok {
		n, _ := strconv.Atoi(length)
		text = strings.Repeat("x", n)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil && sync {
		err = f.Sync()
	}
	if err == nil && sync {
		var dir *os.File
		if dir, err = os.Open(filepath.Dir(path)); err == nil {
			err = errors.Join(dir.Sync(), dir.Close())
		}
	}
	return errors.Join(err, f.Close())
}

// user is a worker process.
type user struct {
	in  io.Writer
	out *bufio.Scanner
	v   *disk.Volume
}

func use(t testing.TB, v *disk.Volume) *user {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), worker+"=1")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &user{in: in, out: bufio.NewScanner(out), v: v}
}

// put writes to a file, and syncs file and folder if asked.
func (u *user) put(name, text string, sync bool) error {
	_, err := u.repeat(1, name, text, sync)
	return err
}

func (u *user) repeat(times int, name, text string, sync bool) (failed int, err error) {
	fmt.Fprintf(u.in, "put %d %v %s %s\n", times, sync, filepath.Join(u.v.Path(), name), text)
	if !u.out.Scan() {
		return 0, io.ErrUnexpectedEOF
	}
	var errno syscall.Errno
	if _, err := fmt.Sscan(u.out.Text(), &errno, &failed); err != nil {
		return 0, err
	}
	if failed > 0 {
		return failed, errno
	}
	return 0, nil
}

func (u *user) get(name string) string {
	fmt.Fprintf(u.in, "get %s\n", filepath.Join(u.v.Path(), name))
	u.out.Scan()
	return strings.TrimPrefix(u.out.Text(), "ok ")
}

func make_(t testing.TB, interpose bool) *disk.Volume {
	t.Helper()
	if testing.Short() {
		t.Skip("mounts file systems")
	}
	site := disk.Site{Dir: t.TempDir()}
	t.Cleanup(func() {
		found, err := disk.Residue(site)
		assert.NoError(t, err)
		assert.Empty(t, found, "nothing stays mounted")
	})
	v, err := disk.Make(t.Context(), site, disk.Spec{Name: "data", SizeMB: 64, Interpose: interpose})
	require.NoError(t, err, "needs root, loop devices, FUSE and mkfs.ext4")
	t.Cleanup(func() {
		assert.NoError(t, v.Remove())
		assert.NoError(t, v.Remove(), "removing twice is fine")
	})
	return v
}

func both(t *testing.T, f func(t *testing.T, interpose bool)) {
	t.Run("plain", func(t *testing.T) { f(t, false) })
	t.Run("interposed", func(t *testing.T) { f(t, true) })
}

func TestPowerCutLosesWhatWasNotSyncedAndOnlyThat(t *testing.T) {
	both(t, func(t *testing.T, interpose bool) {
		v := make_(t, interpose)
		u := use(t, v)
		require.NoError(t, u.put("synced", "kept", true))
		require.NoError(t, u.put("unsynced", "lost", false))
		assert.Equal(t, "lost", u.get("unsynced"))

		start := time.Now()
		require.NoError(t, v.Cut())
		t.Logf("power cut in %v", time.Since(start))
		require.NoError(t, v.Cut(), "cutting twice is fine")
		assert.Error(t, u.put("after", "never", true), "no power, no writes")
		assert.ErrorIs(t, v.Fill(t.Context(), 0), disk.ErrOff)

		start = time.Now()
		require.NoError(t, v.Power())
		t.Logf("power back in %v", time.Since(start))
		require.NoError(t, v.Power(), "power twice is fine")
		assert.Equal(t, "kept", u.get("synced"))
		assert.Empty(t, u.get("unsynced"))
		require.NoError(t, u.put("again", "works", true))
	})
}

func TestPowerDoesNotComeBackUnderARunningProcess(t *testing.T) {
	v := make_(t, false)
	f, err := os.Create(filepath.Join(v.Path(), "open"))
	require.NoError(t, err)
	require.NoError(t, v.Cut())
	err = v.Power()
	assert.ErrorIs(t, err, unix.EBUSY)
	require.NoError(t, f.Close())
}

func TestFullDiskRefusesWritesUntilItIsEmptied(t *testing.T) {
	both(t, func(t *testing.T, interpose bool) {
		v := make_(t, interpose)
		u := use(t, v)
		start := time.Now()
		require.NoError(t, v.Fill(t.Context(), 0))
		t.Logf("filled in %v", time.Since(start))
		free, total, err := v.Usage()
		require.NoError(t, err)
		assert.Less(t, free, int64(1<<16), "of %d", total)
		err = u.put("big", "big:1048576", true)
		assert.ErrorIs(t, err, unix.ENOSPC)
		assert.Empty(t, u.get("ballast"), "the ballast is not to be seen")
		require.NoError(t, v.Empty())
		require.NoError(t, v.Empty(), "emptying twice is fine")
		assert.NoError(t, u.put("big", "big:1048576", true))

		require.NoError(t, v.Fill(t.Context(), 8<<20))
		free, _, err = v.Usage()
		require.NoError(t, err)
		assert.InDelta(t, 8<<20, free, 1<<20)
	})
}

func TestInterposedDiskIsSlowFailsAndLiesAsTold(t *testing.T) {
	v := make_(t, true)
	u := use(t, v)
	require.NoError(t, u.put("file", "one", true))

	require.NoError(t, v.Behave(disk.Behaviour{Latency: 30 * time.Millisecond, On: []disk.Op{disk.Sync}}))
	start := time.Now()
	require.NoError(t, u.put("file", "two", true))
	assert.GreaterOrEqual(t, time.Since(start), 30*time.Millisecond, "a slow sync")
	start = time.Now()
	require.NoError(t, u.put("file", "three", false))
	assert.Less(t, time.Since(start), 25*time.Millisecond, "but no slow write")

	require.NoError(t, v.Behave(disk.Behaviour{Error: "EIO", On: []disk.Op{disk.Write}}))
	assert.ErrorIs(t, u.put("file", "four", false), syscall.EIO)
	assert.Equal(t, "onetwothree", u.get("file"), "reads go on")
	require.NoError(t, v.Behave(disk.Behaviour{Error: "ENOSPC", Share: 0.5, On: []disk.Op{disk.Sync}}))
	failed, err := u.repeat(200, "shared", "x", true)
	assert.ErrorIs(t, err, syscall.ENOSPC)
	assert.InDelta(t, 150, failed, 35, "a file and a folder are synced each time")

	require.NoError(t, v.Behave(disk.Behaviour{LyingSync: true}))
	require.NoError(t, u.put("lied", "acknowledged", true))
	c, b, err := v.Counts()
	require.NoError(t, err)
	assert.True(t, b.LyingSync)
	assert.NotZero(t, c.Lied)
	assert.InDelta(t, 150, c.Refused, 36)
	require.NoError(t, v.Cut())
	require.NoError(t, v.Power())
	assert.Empty(t, u.get("lied"), "it was acknowledged, and it is gone")
	assert.Equal(t, "onetwo", u.get("file")[:6])

	assert.Error(t, v.Behave(disk.Behaviour{Error: "EWHAT"}))
	assert.ErrorIs(t, make_(t, false).Behave(disk.Behaviour{Hang: true}), disk.ErrPlain)
}

func TestHangingDiskGoesOnWhenHealed(t *testing.T) {
	for name, c := range map[string]struct {
		interpose  bool
		hang, heal func(v *disk.Volume) error
	}{
		"interposed": {true,
			func(v *disk.Volume) error { return v.Behave(disk.Behaviour{Hang: true, On: []disk.Op{disk.Write}}) },
			func(v *disk.Volume) error { return v.Behave(disk.Behaviour{}) }},
		"plain": {false, (*disk.Volume).Freeze, (*disk.Volume).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			v := make_(t, c.interpose)
			u := use(t, v)
			require.NoError(t, u.put("file", "before", true))
			require.NoError(t, u.put("other", "here", true))
			require.NoError(t, c.hang(v))
			done := make(chan error, 1)
			go func() { done <- u.put("file", " after", true) }()
			select {
			case err := <-done:
				t.Fatalf("the write did not hang: %v", err)
			case <-time.After(200 * time.Millisecond):
			}
			assert.Equal(t, "here", use(t, v).get("other"), "reads go on")
			require.NoError(t, c.heal(v))
			select {
			case err := <-done:
				require.NoError(t, err)
			case <-time.After(3 * time.Second):
				t.Fatal("the write hangs for ever")
			}
			assert.Equal(t, "before after", u.get("file"))
		})
	}
}

func TestRemovingReleasesWhatHangs(t *testing.T) {
	v := make_(t, true)
	u := use(t, v)
	require.NoError(t, v.Behave(disk.Behaviour{Hang: true}))
	done := make(chan error, 1)
	go func() { done <- u.put("file", "x", true) }()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, v.Remove())
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Fatal("a process hangs on a disk that is gone")
	}
}

func TestSweepRemovesWhatADeadProcessLeft(t *testing.T) {
	v := make_(t, false)
	site := disk.Site{Dir: filepath.Dir(filepath.Dir(filepath.Dir(v.Path())))}
	found, err := disk.Residue(site)
	require.NoError(t, err)
	assert.Len(t, found, 2, "a mount and a loop device: %v", found)
	require.NoError(t, disk.Sweep(site))
	entries, err := os.ReadDir(site.Dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestOtherFileSystemsAreOutOfReach(t *testing.T) {
	for _, dir := range []string{"", "/", "relative", "/.."} {
		_, err := disk.Make(t.Context(), disk.Site{Dir: dir}, disk.Spec{Name: "x", SizeMB: 16})
		assert.Error(t, err, dir)
	}
	for _, name := range []string{"", "..", "a/b", ".hidden"} {
		assert.Error(t, disk.Spec{Name: name, SizeMB: 16}.Validate(), name)
	}
}

func TestBehavioursReadAsWritten(t *testing.T) {
	b := disk.Behaviour{Latency: time.Second, Error: "EIO", Share: 0.25, LyingSync: true, On: []disk.Op{disk.Write, disk.Sync}}
	require.NoError(t, b.Validate())
	assert.Equal(t, "latency=1s error=EIO share=25% lying-sync on=write,sync", b.String())
	assert.Equal(t, "healthy", disk.Behaviour{}.String())
	for name, b := range map[string]disk.Behaviour{
		"error":   {Error: "EPERM"},
		"share":   {Share: 0.5},
		"latency": {Latency: time.Hour},
		"on":      {Hang: true, On: []disk.Op{"open"}},
	} {
		assert.Error(t, b.Validate(), name)
	}
}
