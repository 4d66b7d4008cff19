package agent

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Life is one first process of a node with its namespaces and cgroups: what a
// restart replaces. The descriptors pin the very process and namespace, so
// that a reused process number can never be hit.
type Life struct {
	node   *Node
	pid    int
	bornAt int64 // when it was first seen

	pidfd   int
	wake    int // eventfd: ends the wait for the process's death
	cgroups map[string]string
	dead    chan struct{}
	diedAt  int64

	mu     sync.Mutex // guards what follows, and that netns stays open while used
	closed bool
	netns  int
	rules  *ruleset // opened at the first rule

	attaching sync.Mutex // guards what actions keep for this life, see attach
	attached  map[string]attachment
	detached  bool
}

// openLife pins a process. It fails with ErrNotRunning if it is gone already.
func openLife(n *Node, pid int) (*Life, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("open pidfd of process %d: %w", pid, err)
	}
	life := &Life{node: n, pid: pid, bornAt: monotonic(), pidfd: pidfd, wake: -1, netns: -1, dead: make(chan struct{})}
	if err := life.open(); err != nil {
		gone := life.exited()
		life.shut()
		if gone {
			return nil, ErrNotRunning
		}
		return nil, err
	}
	return life, nil
}

func (l *Life) open() error {
	var err error
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("create eventfd: %w", err)
	}
	if l.cgroups, err = cgroupsOf(l.pid); err != nil {
		return err
	}
	path := fmt.Sprintf("/proc/%d/ns/net", l.pid)
	identity, err := os.Readlink(path)
	if err != nil {
		return fmt.Errorf("read network namespace of process %d: %w", l.pid, err)
	}
	if own, _ := os.Readlink("/proc/self/ns/net"); identity == l.node.host.netns || identity == own {
		// A container with host networking: it can be killed and paused, but
		// the host's namespace is never entered.
		return nil
	}
	if l.netns, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open network namespace of process %d: %w", l.pid, err)
	}
	return nil
}

// Pid is the process number in the host's view.
func (l *Life) Pid() int { return l.pid }

// Dead is closed when the process has exited.
func (l *Life) Dead() <-chan struct{} { return l.dead }

// DiedAt is when the exit was seen, after Dead is closed.
func (l *Life) DiedAt() int64 { return l.diedAt }

// Signal sends a signal to the process through its pidfd.
func (l *Life) Signal(sig unix.Signal) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrNotRunning
	}
	err := unix.PidfdSendSignal(l.pidfd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("send %s to process %d of node %s: %w", unix.SignalName(sig), l.pid, l.node.name, err)
	}
	return nil
}

// Cgroup returns the directory of the process's cgroup for a controller, and
// whether it is of the unified (v2) hierarchy.
func (l *Life) Cgroup(controller string) (dir string, unified bool, err error) {
	root := l.node.host.cgroup
	if path, ok := l.cgroups[controller]; ok {
		return filepath.Join(root, controller, path), false, nil
	}
	path, ok := l.cgroups[""]
	if !ok {
		return "", false, fmt.Errorf("node %s is in no %s cgroup", l.node.name, controller)
	}
	if _, err := os.Stat(filepath.Join(root, "unified")); err == nil {
		return filepath.Join(root, "unified", path), true, nil
	}
	return filepath.Join(root, path), true, nil
}

// InNetwork runs f on a thread inside the node's network namespace. Sockets
// that f opens stay there; goroutines that it starts do not.
func (l *Life) InNetwork(f func() error) error {
	fd, err := l.dupNetns()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	done := make(chan error, 1)
	go func() {
		// The thread is never unlocked: the runtime ends it with this
		// goroutine, so no later goroutine runs in the wrong namespace.
		runtime.LockOSThread()
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace of node %s: %w", l.node.name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Netns opens the node's network namespace anew; the caller closes the file.
func (l *Life) Netns() (*os.File, error) {
	fd, err := l.dupNetns()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "network namespace of "+l.node.name), nil
}

func (l *Life) dupNetns() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return -1, fmt.Errorf("node %s: %w", l.node.name, ErrNotRunning)
	}
	if l.netns < 0 {
		return -1, fmt.Errorf("node %s has no network namespace of its own: network faults need one", l.node.name)
	}
	fd, err := unix.FcntlInt(uintptr(l.netns), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("duplicate network namespace of node %s: %w", l.node.name, err)
	}
	return fd, nil
}

// await returns when the process has exited or abandon was called.
func (l *Life) await() {
	fds := []unix.PollFd{{Fd: int32(l.pidfd), Events: unix.POLLIN}, {Fd: int32(l.wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		break
	}
	l.diedAt = monotonic()
	close(l.dead)
}

// ended tells whether the exit has been seen.
func (l *Life) ended() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

func (l *Life) isDead() bool {
	select {
	case <-l.dead:
		return true
	default:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.exited()
	}
}

// exited asks the kernel, without waiting.
func (l *Life) exited() bool {
	fds := []unix.PollFd{{Fd: int32(l.pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

func (l *Life) abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		one := [8]byte{1}
		_, _ = unix.Write(l.wake, one[:])
	}
}

// close gives the descriptors back. Holding on to a namespace would keep the
// addresses of a dead node alive.
func (l *Life) close() {
	l.mu.Lock()
	rules := l.rules
	l.rules = nil
	l.closed = true
	l.shut()
	l.mu.Unlock()
	l.detach()
	if rules != nil {
		rules.close()
	}
}

func (l *Life) shut() {
	for _, fd := range []int{l.pidfd, l.wake, l.netns} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	l.pidfd, l.wake, l.netns = -1, -1, -1
}

// cgroupsOf reads /proc/PID/cgroup, cgroups(7): controller -> path; "" is the
// unified hierarchy.
func cgroupsOf(pid int) (map[string]string, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, fmt.Errorf("read cgroups of process %d: %w", pid, err)
	}
	defer file.Close()
	found := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, controller := range strings.Split(parts[1], ",") {
			found[controller] = parts[2]
		}
	}
	return found, nil
}

// eventually calls ok every step until it says yes, at most until the limit.
func eventually(limit, step time.Duration, ok func() (bool, error)) (bool, error) {
	for end := time.Now().Add(limit); ; {
		done, err := ok()
		if done || err != nil {
			return done, err
		}
		if time.Now().After(end) {
			return false, nil
		}
		time.Sleep(step)
	}
}
