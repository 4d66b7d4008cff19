package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Names of the actions on a node's memory.
const (
	ActionMemory = "memory-pressure"
	ActionOOM    = "oom-kill"
)

// MemoryParams are the parameters of ActionMemory.
type MemoryParams struct {
	Leave int64 `json:"leave"` // bytes that the node may still take, above what it has now
}

// minLeave keeps a limit from being refused because the node grew meanwhile.
const minLeave = 1 << 20

var _ = register(Action{
	Name: ActionMemory,
	Doc:  "the node's memory limit is drawn tight around what it uses now",
	Use:  []string{"memory"},
	Lost: ByRestart, // a tight limit around a starting process would be another fault,
	Apply: func(_ context.Context, t *Target) (Evidence, error) {
		var p MemoryParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		if p.Leave < minLeave {
			return Evidence{}, fmt.Errorf("leave %d bytes: the least is %d", p.Leave, minLeave)
		}
		g, err := groupOf(t.Node, "memory")
		if err != nil {
			return Evidence{}, err
		}
		was, err := g.memory()
		if err != nil {
			return Evidence{}, err
		}
		if len(t.Saved) == 0 {
			if err := t.Save(was); err != nil {
				return Evidence{}, err
			}
		}
		limit := roundUp(was.Used + p.Leave)
		if was.Limit > 0 && was.Limit < limit {
			limit = was.Limit // it is that tight already
		}
		seen := Evidence{Before: monotonic(), How: "cgroup limit"}
		err = g.setMemory(limit)
		seen.After, seen.Detail = monotonic(), fmt.Sprintf("%d bytes in use, limit %d", was.Used, limit)
		t.State = limit
		return seen, err
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		g, err := groupOf(t.Node, "memory")
		if err != nil {
			return Evidence{}, err
		}
		now, err := g.memory()
		if err != nil {
			return Evidence{}, err
		}
		if want, ok := t.State.(int64); ok && now.Limit != want {
			return Evidence{}, fmt.Errorf("the cgroup's limit is %d bytes, want %d", now.Limit, want)
		}
		if applied.Before == 0 {
			applied = Evidence{Before: monotonic(), After: monotonic(), How: "cgroup limit"}
		}
		return applied, nil
	},
	Undo: func(_ context.Context, t *Target) (Evidence, error) {
		seen := Evidence{Before: monotonic(), How: "cgroup limit"}
		var was memory
		saved, err := t.Restore(&was)
		if err == nil && saved {
			err = restoreGroup(t.Node, "memory", func(g group) error { return g.setMemory(was.Limit) })
		}
		seen.After = monotonic()
		return seen, err
	},
})

// memory is what a cgroup uses and may use, in bytes; a limit of -1 is none.
type memory struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
}

// noLimit is how cgroup v1 writes that there is none: about 2^63 in pages.
const noLimit = int64(1) << 60

func (g group) memory() (m memory, err error) {
	used, limit := "memory.usage_in_bytes", "memory.limit_in_bytes"
	if g.unified {
		used, limit = "memory.current", "memory.max"
	}
	if m.Used, err = g.number(used); err == nil {
		m.Limit, err = g.number(limit)
	}
	if m.Limit > noLimit {
		m.Limit = -1
	}
	return m, err
}

func (g group) setMemory(limit int64) error {
	file, value := "memory.limit_in_bytes", strconv.FormatInt(limit, 10)
	if g.unified {
		file = "memory.max"
		if limit < 0 {
			value = "max"
		}
	}
	return g.write(file, value)
}

func roundUp(bytes int64) int64 {
	page := int64(os.Getpagesize())
	return (bytes + page - 1) / page * page
}

// The kernel itself is made to kill the node: every process of the node is
// marked as the one to take, the limit is drawn tight, and a ballast process
// inside the node's memory cgroup takes what is left. The ballast ends with
// the victim, or with the agent.
var _ = register(Action{
	Name: ActionOOM,
	Doc:  "the kernel kills the node because its memory is used up",
	Use:  []string{"memory", "pidfd"},
	Lost: ByRestart, Idle: true,
	Apply:  applyOOM,
	Verify: verifyDead,
	Undo: func(ctx context.Context, t *Target) (Evidence, error) {
		// A limit drawn around a node that has not died is put back.
		var was memory
		saved, err := t.Restore(&was)
		if err == nil && saved {
			err = restoreGroup(t.Node, "memory", func(g group) error { return g.setMemory(was.Limit) })
		}
		if err != nil {
			return Evidence{}, err
		}
		return startAgain(ctx, t)
	},
	Undone: verifyStarted,
})

const (
	// ballastRoom is how much the ballast may take at most.
	ballastRoom = 64 << 20
	oomLimit    = 20 * time.Second
)

func applyOOM(_ context.Context, t *Target) (Evidence, error) {
	life, err := t.Node.Life()
	if errors.Is(err, ErrNotRunning) {
		return wasDead(t), nil
	}
	if err != nil {
		return Evidence{}, err
	}
	g, err := groupOf(t.Node, "memory")
	if err != nil {
		return Evidence{}, err
	}
	was, err := g.memory()
	if err == nil {
		err = t.Save(was)
	}
	if err != nil {
		return Evidence{}, err
	}
	if err := markVictims(g); err != nil {
		return Evidence{}, err
	}
	b, err := startBallast(g)
	if err != nil {
		return Evidence{}, err
	}
	limit := roundUp(was.Used + ballastRoom/2)
	if was.Limit > 0 {
		limit = min(limit, was.Limit)
	}
	if err := g.setMemory(limit); err != nil {
		return Evidence{}, errors.Join(err, b.end(), g.setMemory(was.Limit))
	}
	t.State = life
	seen := Evidence{Before: monotonic(), How: "pidfd", Detail: "out of memory"}
	if err := b.take(limit - was.Used + ballastRoom/2); err != nil {
		return Evidence{}, errors.Join(err, b.end(), g.setMemory(was.Limit))
	}
	go func() {
		select {
		case <-life.dead: // the cgroup cannot go while the ballast is in it
		case <-time.After(oomLimit):
		}
		_ = b.end()
	}()
	return seen, nil
}

// markVictims makes every process of a cgroup the out-of-memory killer's first
// choice (proc(5), oom_score_adj).
func markVictims(g group) error {
	text, err := g.read("cgroup.procs")
	if err != nil {
		return err
	}
	for _, pid := range strings.Fields(text) {
		err := os.WriteFile(filepath.Join("/proc", pid, "oom_score_adj"), []byte("1000"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("mark process %s for the out-of-memory killer: %w", pid, err)
		}
	}
	return nil
}
