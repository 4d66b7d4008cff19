package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// freezer is the freezer of one cgroup: freezer.state of cgroup v1
// (kernel: cgroup-v1/freezer-subsystem) or cgroup.freeze of v2 (cgroup-v2).
type freezer struct {
	dir     string
	unified bool
}

// freezerOf finds the freezer of a life.
func freezerOf(l *Life) (freezer, error) {
	dir, unified, err := l.Cgroup("freezer")
	return freezer{dir, unified}, err
}

// set orders the state; it does not wait for it.
func (f freezer) set(frozen bool) error {
	file, text := "freezer.state", "THAWED"
	if f.unified {
		file, text = "cgroup.freeze", "0"
	}
	if frozen {
		text = map[bool]string{false: "FROZEN", true: "1"}[f.unified]
	}
	err := os.WriteFile(filepath.Join(f.dir, file), []byte(text), 0)
	if errors.Is(err, fs.ErrNotExist) && !frozen {
		return nil // the cgroup is gone, and its ice with it
	}
	if err != nil {
		return fmt.Errorf("write %s to %s: %w", text, file, err)
	}
	return nil
}

// is tells whether every process of the cgroup is frozen (or thawed) now.
func (f freezer) is(frozen bool) (bool, error) {
	if !f.unified {
		text, err := os.ReadFile(filepath.Join(f.dir, "freezer.state"))
		if errors.Is(err, fs.ErrNotExist) {
			return !frozen, nil
		}
		want := "THAWED"
		if frozen {
			want = "FROZEN"
		}
		return strings.TrimSpace(string(text)) == want, err
	}
	text, err := os.ReadFile(filepath.Join(f.dir, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return !frozen, nil
	}
	want := "frozen 0"
	if frozen {
		want = "frozen 1"
	}
	return strings.Contains(string(text), want), err
}

// await waits until the state is reached. The kernel freezes a task when it
// next crosses from user mode, so the file may say FREEZING for a while; the
// first looks come quickly, since a bracket is as wide as the step.
func (f freezer) await(ctx context.Context, frozen bool) (last, first int64, err error) {
	step := 20 * time.Microsecond
	for last = monotonic(); ; {
		looked := monotonic()
		ok, err := f.is(frozen)
		if err != nil {
			return 0, 0, fmt.Errorf("read freezer state: %w", err)
		}
		if ok {
			return last, monotonic(), nil
		}
		last = looked
		select {
		case <-ctx.Done():
			return 0, 0, fmt.Errorf("the freezer never reached its state: %w", ctx.Err())
		case <-time.After(step):
			step = min(2*step, 5*time.Millisecond)
		}
	}
}

// thawContainer thaws a container by its id, wherever the engine's cgroup
// driver put it. It looks at every first process and also at cgroups that have
// none, since a container killed under ice is only waiting for the thaw.
func (h *Host) thawContainer(ctx context.Context, id string) error {
	var dirs []freezer
	if n, err := h.Node(ctx, id); err == nil {
		if l, err := n.Life(); err == nil {
			if f, err := freezerOf(l); err == nil {
				dirs = append(dirs, f)
			}
		}
	}
	for _, pattern := range []string{"freezer/docker/" + id, "freezer/system.slice/docker-" + id + ".scope", "docker/" + id, "system.slice/docker-" + id + ".scope"} {
		dir := filepath.Join(h.cgroup, pattern)
		if _, err := os.Stat(dir); err == nil {
			dirs = append(dirs, freezer{dir, !strings.HasPrefix(pattern, "freezer/")})
		}
	}
	for _, f := range dirs {
		if err := f.set(false); err != nil {
			return err
		}
	}
	return nil
}
