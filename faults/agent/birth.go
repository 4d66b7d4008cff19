package agent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A dead node's next process is caught at its birth, not when the engine gets
// round to telling of it: faults that went with the old namespace must be in
// the new one before the service answers.
//
//	mkdir cgroup   namespaces made   interfaces moved in    exec      event
//	     │                │                  │               │          │
//	─────┴────────────────┴──────────────────┴───────────────┴──────────┴──▶
//	 inotify          first process        still waiting to be      too late
//	 wakes us         of its own PID       told to exec the
//	                  namespace: found     service
//
// The runtime's helpers are in the cgroup too and still have the host's
// network namespace: only the process that is number 1 in a PID namespace of
// its own is the node's.
const (
	birthStep  = 200 * time.Microsecond
	birthLimit = 10 * time.Second // from the cgroup's creation to the process
)

// expect waits for the node's next process from the moment its last one has
// died. It ends when the node lives again, by whatever notice, or is gone.
func (n *Node) expect(dir string) {
	file, err := watchDirectory(filepath.Dir(dir))
	if err != nil {
		n.host.notify(Event{At: monotonic(), Kind: EventProblem, Node: n.name, Text: err.Error()})
		return // the engine's events remain
	}
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		defer file.Close() // ends the read below
		n.awaitSettled()
	}()
	buffer := make([]byte, 64<<10)
	for {
		got, err := file.Read(buffer)
		if err != nil {
			break
		}
		if !created(buffer[:got], filepath.Base(dir)) {
			continue
		}
		if pid := firstProcess(dir, settled); pid > 0 {
			_, _ = n.born(pid) // a process that is gone already is the engine's to tell
		}
	}
	<-settled
}

// awaitSettled returns when the node lives or will never live again.
func (n *Node) awaitSettled() {
	for {
		n.mu.Lock()
		settled, changed := n.life != nil || n.gone, n.changed
		n.mu.Unlock()
		if settled {
			return
		}
		<-changed
	}
}

// watchDirectory opens an inotify(7) descriptor for creations in a directory.
func watchDirectory(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open inotify: %w", err)
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_ONLYDIR); err != nil {
		return nil, errors.Join(fmt.Errorf("watch %s: %w", dir, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "inotify of "+dir), nil
}

// created tells whether inotify events hold the creation of a name.
func created(events []byte, name string) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		length := int(binary.NativeEndian.Uint32(events[12:16]))
		end := unix.SizeofInotifyEvent + length
		if end > len(events) {
			return false
		}
		if string(bytes.TrimRight(events[unix.SizeofInotifyEvent:end], "\x00")) == name {
			return true
		}
		events = events[end:]
	}
	return false
}

// firstProcess waits for the process in a cgroup that is number 1 of a PID
// namespace of its own. It returns 0 when there is none in time.
func firstProcess(dir string, stop <-chan struct{}) int {
	for end := time.Now().Add(birthLimit); time.Now().Before(end); time.Sleep(birthStep) {
		select {
		case <-stop:
			return 0
		default:
		}
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && isFirst(pid) {
				return pid
			}
		}
	}
	return 0
}

// isFirst reads NSpid of /proc/PID/status (proc(5)): the process's numbers from
// the outermost namespace to its own.
func isFirst(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(status), "\n") {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(numbers)
			return len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return false
}
