// Package namespace runs functions inside the network namespace of another
// process. A socket opened there stays there; the thread comes back.
package namespace

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do runs f on a thread inside the network namespace that the open file stands
// for. f must not start goroutines that rely on the namespace. It needs
// SYS_ADMIN.
func Do(ns *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("open own network namespace: %w", err)
			return
		}
		defer func() { _ = home.Close() }()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("enter network namespace %s (needs SYS_ADMIN): %w", ns.Name(), err)
			return
		}
		err = f()
		// A thread that cannot go home stays locked, so the runtime ends it
		// with this goroutine instead of reusing it in the wrong namespace.
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// In is Do for a path like /proc/123/ns/net.
func In(path string, f func() error) error {
	ns, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", path, err)
	}
	defer func() { _ = ns.Close() }()
	return Do(ns, f)
}
