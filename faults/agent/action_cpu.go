package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ActionCPU limits a node's processor time.
const ActionCPU = "cpu-quota"

// CPUParams are the parameters of ActionCPU.
type CPUParams struct {
	Cores float64 `json:"cores"` // processors' worth of time; 0.05 is a twentieth of one
}

// cpuPeriod is over which the quota is counted, in microseconds: shorter than
// the kernel's default of 100 ms, which would turn a small quota into stalls of
// most of a second.
const cpuPeriod = 20_000

// minQuota is the least that the kernel takes, in microseconds a period.
const minQuota = 1000

var _ = register(Action{
	Name: ActionCPU,
	Doc:  "the node gets only a part of a processor's time",
	Use:  []string{"cpu-quota"},
	Lost: WithProcess,
	Apply: func(_ context.Context, t *Target) (Evidence, error) {
		var p CPUParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		if quota := int64(p.Cores * cpuPeriod); quota < minQuota {
			return Evidence{}, fmt.Errorf("%v cores: the least is %v", p.Cores, float64(minQuota)/cpuPeriod)
		}
		g, err := groupOf(t.Node, "cpu")
		if err != nil {
			return Evidence{}, err
		}
		if len(t.Saved) == 0 {
			was, err := g.cpu()
			if err == nil {
				err = t.Save(was)
			}
			if err != nil {
				return Evidence{}, err
			}
		}
		seen := Evidence{Before: monotonic(), How: "cgroup quota"}
		err = g.setCPU(cpuLimit{Quota: int64(p.Cores * cpuPeriod), Period: cpuPeriod})
		seen.After = monotonic()
		return seen, err
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		var p CPUParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		g, err := groupOf(t.Node, "cpu")
		if err != nil {
			return Evidence{}, err
		}
		now, err := g.cpu()
		if err != nil {
			return Evidence{}, err
		}
		if want := (cpuLimit{int64(p.Cores * cpuPeriod), cpuPeriod}); now != want {
			return Evidence{}, fmt.Errorf("the cgroup says %+v, want %+v", now, want)
		}
		if applied.Before == 0 {
			applied = Evidence{Before: monotonic(), After: monotonic(), How: "cgroup quota"}
		}
		applied.Detail = fmt.Sprintf("%d of %d microseconds", now.Quota, now.Period)
		return applied, nil
	},
	Undo: func(_ context.Context, t *Target) (Evidence, error) {
		seen := Evidence{Before: monotonic(), How: "cgroup quota"}
		var was cpuLimit
		saved, err := t.Restore(&was)
		if err == nil && saved {
			err = restoreGroup(t.Node, "cpu", func(g group) error { return g.setCPU(was) })
		}
		seen.After = monotonic()
		return seen, err
	},
})

// group is a node's cgroup of one controller.
type group struct {
	dir     string
	unified bool
}

func groupOf(n *Node, controller string) (group, error) {
	l, err := n.Life()
	if err != nil {
		return group{}, err
	}
	dir, unified, err := l.Cgroup(controller)
	return group{dir, unified}, err
}

// restoreGroup puts a cgroup's value back. A node that is gone has none.
func restoreGroup(n *Node, controller string, put func(group) error) error {
	g, err := groupOf(n, controller)
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err == nil {
		err = put(g)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (g group) read(file string) (string, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	return strings.TrimSpace(string(text)), err
}

func (g group) write(file, value string) error {
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0); err != nil {
		return fmt.Errorf("write %s to %s: %w", value, file, err)
	}
	return nil
}

func (g group) number(file string) (int64, error) {
	text, err := g.read(file)
	if err != nil {
		return 0, err
	}
	if text == "max" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	return n, nil
}

// cpuLimit is a quota of processor time a period, in microseconds; -1 is none.
type cpuLimit struct {
	Quota  int64 `json:"quota"`
	Period int64 `json:"period"`
}

func (g group) cpu() (c cpuLimit, err error) {
	if g.unified {
		text, err := g.read("cpu.max")
		if err != nil {
			return c, err
		}
		quota, period, _ := strings.Cut(text, " ")
		c.Quota = -1
		if quota != "max" {
			if c.Quota, err = strconv.ParseInt(quota, 10, 64); err != nil {
				return c, fmt.Errorf("read cpu.max: %w", err)
			}
		}
		c.Period, err = strconv.ParseInt(period, 10, 64)
		return c, err
	}
	if c.Quota, err = g.number("cpu.cfs_quota_us"); err == nil {
		c.Period, err = g.number("cpu.cfs_period_us")
	}
	return c, err
}

func (g group) setCPU(c cpuLimit) error {
	if g.unified {
		quota := "max"
		if c.Quota >= 0 {
			quota = strconv.FormatInt(c.Quota, 10)
		}
		return g.write("cpu.max", quota+" "+strconv.FormatInt(c.Period, 10))
	}
	// The quota goes first to none: period and quota change one by one, and no
	// step in between may be a limit that nobody asked for.
	if err := g.write("cpu.cfs_quota_us", "-1"); err != nil {
		return err
	}
	if err := g.write("cpu.cfs_period_us", strconv.FormatInt(c.Period, 10)); err != nil {
		return err
	}
	return g.write("cpu.cfs_quota_us", strconv.FormatInt(c.Quota, 10))
}
