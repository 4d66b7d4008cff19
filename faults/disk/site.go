package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Site is where volumes are made.
type Site struct {
	// Enter runs f on a thread in the mount namespace that the volumes are for,
	// and does not let other goroutines run on that thread. nil: here.
	Enter func(f func() error) error
	// Dir is the run's own folder there; it must exist. Everything below it is
	// ours.
	Dir string
}

func (s Site) do(f func() error) error {
	if !filepath.IsAbs(s.Dir) || filepath.Clean(s.Dir) == "/" {
		return fmt.Errorf("disk: %q is not a folder of a run", s.Dir)
	}
	if s.Enter == nil {
		return f()
	}
	return s.Enter(f)
}

// MountNamespaceOf returns an Enter for the mount namespace of a process. The
// thread unshares its root and working directory first, as setns(2) asks, and
// ends with the call.
func MountNamespaceOf(pid int) func(f func() error) error {
	return func(f func() error) error {
		done := make(chan error, 1)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
			if err != nil {
				done <- fmt.Errorf("open mount namespace of process %d (needs SYS_PTRACE): %w", pid, err)
				return
			}
			err = errors.Join(unix.Unshare(unix.CLONE_FS), unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS))
			_ = ns.Close()
			if err != nil {
				done <- fmt.Errorf("enter mount namespace of process %d (needs SYS_ADMIN and SYS_CHROOT): %w", pid, err)
				return
			}
			done <- f()
		}()
		return <-done
	}
}

// mounts lists the mount points below a folder, the deepest last mounted first.
func mounts(dir string) ([]string, error) {
	b, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		at := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		if strings.HasPrefix(at, filepath.Clean(dir)+"/") {
			found = append([]string{at}, found...)
		}
	}
	return found, nil
}

// melt thaws a file system that a dead process left frozen; it would never go.
// Only those on loop devices can have been frozen by us.
func melt(at string) {
	var fs unix.Statfs_t
	if unix.Statfs(at, &fs) != nil || fs.Type != unix.EXT4_SUPER_MAGIC {
		return // and nobody asks a FUSE server that is gone
	}
	if d, err := os.Open(at); err == nil {
		_ = fsfreeze(d, thaw) // an error says that it was not frozen
		_ = d.Close()
	}
}

// unmountAll unmounts everything at or below a folder, busy or not: processes
// that still use it keep a file system that nobody else can see.
func unmountAll(dir string) error {
	found, err := mounts(dir)
	if err != nil {
		return err
	}
	for _, at := range found {
		melt(at)
		if e := unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); e != nil && !errors.Is(e, unix.EINVAL) && !errors.Is(e, unix.ENOENT) {
			err = errors.Join(err, fmt.Errorf("unmount %s: %w", at, e))
		}
	}
	return err
}

// idleLimit bounds the wait for the last user of a file system: a container's
// namespaces are taken down after its processes are dead.
const idleLimit = 5 * time.Second

// unmountIdle unmounts everything below a folder that nobody uses any more.
func unmountIdle(dir string) error {
	found, err := mounts(dir)
	if err != nil {
		return err
	}
	end := time.Now().Add(idleLimit)
	for _, at := range found {
		for {
			err := unix.Unmount(at, unix.UMOUNT_NOFOLLOW)
			if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
				break
			}
			if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
				return fmt.Errorf("unmount %s: %w", at, err)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return nil
}
