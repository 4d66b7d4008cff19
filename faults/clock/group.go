package clock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Group is the processes whose clock is moved together, those of one
// container, and the means to stop them for a moment.
type Group interface {
	// Processes lists them by their ids as this process sees them.
	Processes() ([]int, error)
	// Freeze stops all of them and returns what lets them run on. A group that
	// is frozen already stays so.
	Freeze(ctx context.Context) (thaw func() error, err error)
}

// Cgroup is a group by its directory in the freezer hierarchy (version 1) or
// in the unified one (version 2).
type Cgroup string

// Processes implements Group.
func (c Cgroup) Processes() ([]int, error) {
	b, err := os.ReadFile(filepath.Join(string(c), "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the container is gone
	}
	if err != nil {
		return nil, fmt.Errorf("list processes of cgroup %s: %w", c, err)
	}
	var all []int
	for _, f := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("list processes of cgroup %s: %w", c, err)
		}
		if pid > 0 { // 0: a process that this namespace cannot name
			all = append(all, pid)
		}
	}
	return all, nil
}

// freezeTime bounds how long freezing may take; it takes less than a
// millisecond unless a process is stuck in the kernel.
const freezeTime = 2 * time.Second

// Freeze implements Group.
func (c Cgroup) Freeze(ctx context.Context) (func() error, error) {
	f := freezer{file: filepath.Join(string(c), "freezer.state"), on: "FROZEN", off: "THAWED", state: filepath.Join(string(c), "freezer.state"), word: "FROZEN"}
	if _, err := os.Stat(f.file); err != nil {
		f = freezer{file: filepath.Join(string(c), "cgroup.freeze"), on: "1", off: "0", state: filepath.Join(string(c), "cgroup.events"), word: "frozen 1"}
	}
	already, err := f.frozen()
	if err != nil {
		return nil, fmt.Errorf("freeze cgroup %s: %w", c, err)
	}
	if already {
		return func() error { return nil }, nil
	}
	thaw := func() error {
		err := os.WriteFile(f.file, []byte(f.off), 0)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("thaw cgroup %s: %w", c, err)
		}
		return nil
	}
	if err := os.WriteFile(f.file, []byte(f.on), 0); err != nil {
		return nil, fmt.Errorf("freeze cgroup %s: %w", c, err)
	}
	for end := time.Now().Add(freezeTime); ; time.Sleep(100 * time.Microsecond) {
		ok, err := f.frozen()
		if ok {
			return thaw, nil
		}
		if err == nil && time.Now().After(end) {
			err = fmt.Errorf("not frozen after %v", freezeTime)
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, errors.Join(fmt.Errorf("freeze cgroup %s: %w", c, err), thaw())
		}
	}
}

type freezer struct{ file, on, off, state, word string }

func (f freezer) frozen() (bool, error) {
	b, err := os.ReadFile(f.state)
	return strings.Contains(string(b), f.word), err
}
