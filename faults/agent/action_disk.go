package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/hadrill/hadrill/faults/disk"
)

// Names of the actions on a node's disks.
const (
	ActionDisk     = "disk"
	ActionDiskFull = "disk-full"
)

// DiskParams say which disk behaves how.
type DiskParams struct {
	Path      string         `json:"path,omitempty"` // in the node; empty: all its disks
	Behaviour disk.Behaviour `json:"behaviour"`
}

// DiskFullParams say how full.
type DiskFullParams struct {
	Path  string `json:"path,omitempty"`
	Leave int64  `json:"leave,omitempty"` // bytes that stay free
}

var _ = register(Action{
	Name: ActionDisk,
	Doc:  "the node's disks are slow, hang, fail or lie about having written",
	Use:  []string{"fuse", "loop"},
	Apply: func(ctx context.Context, t *Target) (Evidence, error) {
		var p DiskParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		if p.Behaviour.IsZero() {
			return Evidence{}, errors.New("a healthy disk is no damage")
		}
		volumes, err := t.Host.disks.of(ctx, t.Node, p.Path)
		if err == nil {
			err = t.Host.disks.claim(volumes, behaviour, t.ID)
		}
		if err != nil {
			return Evidence{}, err
		}
		seen := Evidence{Before: monotonic(), How: "operation counter"}
		for _, v := range volumes {
			if err := misbehave(v, p.Behaviour); err != nil {
				return Evidence{}, errors.Join(err, cure(t))
			}
		}
		seen.After = monotonic()
		return seen, nil
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		var p DiskParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		volumes := t.Host.disks.held(t.ID)
		if len(volumes) == 0 {
			return Evidence{}, errors.New("no disk is under this fault")
		}
		if applied.Before == 0 {
			applied.Before = monotonic()
			applied.After = applied.Before
		}
		applied.How = "state of the interposed server"
		for _, v := range volumes {
			if !v.Spec().Interpose {
				applied.How, applied.Detail = "freeze of the file system", "frozen: "+diskNames(volumes)
				continue
			}
			counts, now, err := v.Counts()
			if err != nil {
				return Evidence{}, err
			}
			if now.String() != p.Behaviour.String() {
				return Evidence{}, fmt.Errorf("disk %s is %s", v.Spec().Name, now)
			}
			applied.Detail = fmt.Sprintf("%s: %s; so far %d reads, %d writes, %d syncs, of which %d slowed, %d hung, %d refused, %d lied to",
				diskNames(volumes), now, counts.Reads, counts.Writes, counts.Syncs, counts.Slowed, counts.Hung, counts.Refused, counts.Lied)
		}
		return applied, nil
	},
	Undo: func(_ context.Context, t *Target) (Evidence, error) {
		seen := Evidence{Before: monotonic(), How: "state of the disk"}
		err := cure(t)
		seen.After = monotonic()
		return seen, err
	},
	Audit: auditDisks,
})

// misbehave also serves a plain disk where freezing its file system is what is
// asked for.
func misbehave(v *disk.Volume, b disk.Behaviour) error {
	if !v.Spec().Interpose && b.Hang && !b.LyingSync && b.Error == "" {
		return v.Freeze()
	}
	return v.Behave(b)
}

// cure makes every disk of a damage a healthy one.
func cure(t *Target) error {
	var errs []error
	for _, v := range t.Host.disks.held(t.ID) {
		err := v.Thaw()
		if err == nil && v.Spec().Interpose {
			err = v.Behave(disk.Behaviour{})
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.Host.disks.release(t.ID)
	return nil
}

// auditDisks lists the node's disks that are under a fault.
func auditDisks(ctx context.Context, n *Node) ([]string, error) {
	h := n.host
	h.disks.mu.Lock()
	any := len(h.disks.inForce) > 0
	h.disks.mu.Unlock()
	if !any {
		return nil, nil
	}
	volumes, err := h.disks.of(ctx, n, "")
	if err != nil {
		return nil, nil // it has none
	}
	var left []string
	for _, v := range volumes {
		for _, by := range h.disks.heldOf(v.Spec().Name) {
			left = append(left, fmt.Sprintf("disk %s of node %s is under fault %s", v.Spec().Name, n.name, by))
		}
	}
	return left, nil
}

var _ = register(Action{
	Name: ActionDiskFull,
	Doc:  "the node's disks are full",
	Use:  []string{"loop"},
	Apply: func(ctx context.Context, t *Target) (Evidence, error) {
		var p DiskFullParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		volumes, err := t.Host.disks.of(ctx, t.Node, p.Path)
		if err == nil {
			err = t.Host.disks.claim(volumes, content, t.ID)
		}
		if err != nil {
			return Evidence{}, err
		}
		seen := Evidence{Before: monotonic(), How: "free space"}
		for _, v := range volumes {
			if err := v.Fill(ctx, p.Leave); err != nil {
				return Evidence{}, errors.Join(err, empty(t))
			}
		}
		seen.After = monotonic()
		return seen, nil
	},
	Verify: func(_ context.Context, t *Target, applied Evidence) (Evidence, error) {
		var p DiskFullParams
		if err := t.Decode(&p); err != nil {
			return Evidence{}, err
		}
		volumes := t.Host.disks.held(t.ID)
		if len(volumes) == 0 {
			return Evidence{}, errors.New("no disk is under this fault")
		}
		if applied.Before == 0 {
			applied.Before = monotonic()
			applied.After = applied.Before
		}
		applied.How = "free space"
		for _, v := range volumes {
			free, total, err := v.Usage()
			if err != nil {
				return Evidence{}, err
			}
			if free > p.Leave+1<<20 {
				return Evidence{}, fmt.Errorf("disk %s has %d bytes free", v.Spec().Name, free)
			}
			applied.Detail = fmt.Sprintf("%s: %d of %d bytes free", diskNames(volumes), free, total)
		}
		return applied, nil
	},
	Undo: func(_ context.Context, t *Target) (Evidence, error) {
		seen := Evidence{Before: monotonic(), How: "free space"}
		err := empty(t)
		seen.After = monotonic()
		return seen, err
	},
})

func empty(t *Target) error {
	var errs []error
	for _, v := range t.Host.disks.held(t.ID) {
		errs = append(errs, v.Empty())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.Host.disks.release(t.ID)
	return nil
}
