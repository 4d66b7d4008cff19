package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness/engine"
)

// part is one thing in the engine that carries a run's label.
type part struct {
	kind  string // "container", "network", "volume"
	id    string
	name  string
	run   string
	owner string
	role  string

	summary container.Summary // of a container
}

func (p part) String() string { return p.kind + " " + p.name }

// find lists everything with a label, containers first.
func find(ctx context.Context, eng *engine.Engine, label string) ([]part, error) {
	filter := make(client.Filters).Add("label", label)
	containers, err := eng.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list containers of %s: %w", label, err)
	}
	var parts []part
	for _, c := range containers.Items {
		name := c.ID
		if len(c.Names) > 0 {
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		parts = append(parts, part{"container", c.ID, name, c.Labels[LabelRun], c.Labels[LabelOwner], c.Labels[LabelRole], c})
	}
	networks, err := eng.Client().NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list networks of %s: %w", label, err)
	}
	for _, n := range networks.Items {
		parts = append(parts, part{"network", n.ID, n.Name, n.Labels[LabelRun], n.Labels[LabelOwner], n.Labels[LabelRole], container.Summary{}})
	}
	volumes, err := eng.Client().VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list volumes of %s: %w", label, err)
	}
	for _, v := range volumes.Items {
		parts = append(parts, part{"volume", v.Name, v.Name, v.Labels[LabelRun], v.Labels[LabelOwner], v.Labels[LabelRole], container.Summary{}})
	}
	return parts, nil
}

// remove removes what an Env started. The agent of
// the run and its record are not the Env's: they go last, by their own hand.
// Networks that the engine miscounts are kept, and are no error.
func remove(ctx context.Context, eng *engine.Engine, run string) (kept []string, err error) {
	found, err := find(ctx, eng, LabelRun+"="+run)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(p part) bool { return p.role == PartAgent })
	_, failed := removeParts(ctx, eng, found)
	failed = slices.DeleteFunc(failed, func(f failure) bool {
		if errors.Is(f.err, ErrMiscounted) {
			kept = append(kept, f.part.String())
			return true
		}
		return false
	})
	return kept, join(failed)
}

// failure is a part that could not be removed.
type failure struct {
	part part
	err  error
}

func join(failed []failure) error {
	var errs []error
	for _, f := range failed {
		errs = append(errs, fmt.Errorf("remove %s: %w", f.part, f.err))
	}
	return errors.Join(errs...)
}

// removeParts removes kind by kind, as a network in use cannot go, and all of
// a kind side by side.
func removeParts(ctx context.Context, eng *engine.Engine, parts []part) (removed []string, failed []failure) {
	var mu sync.Mutex
	var containers []container.Summary
	for _, p := range parts {
		if p.kind == "container" {
			containers = append(containers, p.summary)
		}
	}
	Leave(ctx, eng.Client(), containers)
	for _, kind := range []string{"container", "network", "volume"} {
		var group sync.WaitGroup
		for _, p := range parts {
			if p.kind != kind {
				continue
			}
			group.Go(func() {
				err := removePart(ctx, eng, p)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = append(failed, failure{p, err})
					return
				}
				removed = append(removed, p.String())
			})
		}
		group.Wait()
	}
	return removed, failed
}

// removePart removes one part; one that is gone, or going, is no error.
func removePart(ctx context.Context, eng *engine.Engine, p part) error {
	var err error
	switch p.kind {
	case "container":
		_, err = eng.Client().ContainerRemove(ctx, p.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && strings.Contains(err.Error(), "already in progress") {
			err = waitGone(ctx, eng, p.id)
		}
	case "network":
		err = removeNetwork(ctx, eng, p.id)
	case "volume":
		_, err = eng.Client().VolumeRemove(ctx, p.id, client.VolumeRemoveOptions{Force: true})
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// endpointGrace is how long a network's endpoints may outlive their containers.
const endpointGrace = 5 * time.Second

// removeNetwork removes a network whose containers are gone. The engine may
// still be busy taking the last endpoints away, and says so for a moment;
// those that stay, it has forgotten, and they are disconnected by force.
func removeNetwork(ctx context.Context, eng *engine.Engine, id string) error {
	deadline := time.Now().Add(endpointGrace)
	for {
		_, err := eng.Client().NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
		if err == nil || !strings.Contains(err.Error(), "active endpoints") {
			return err
		}
		seen, inspectErr := eng.Client().NetworkInspect(ctx, id, client.NetworkInspectOptions{})
		if inspectErr != nil {
			return errors.Join(err, inspectErr)
		}
		if time.Now().After(deadline) {
			if len(seen.Network.Containers) == 0 {
				err = fmt.Errorf("%w (%w)", ErrMiscounted, err)
			}
			return err
		}
		for container := range seen.Network.Containers {
			_, _ = eng.Client().NetworkDisconnect(ctx, id, client.NetworkDisconnectOptions{Container: container, Force: true})
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// waitGone waits for a container that somebody else is removing.
func waitGone(ctx context.Context, eng *engine.Engine, id string) error {
	for {
		_, err := eng.Client().ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// CleanOptions say which leftovers CleanAll may take.
type CleanOptions struct {
	// Force takes runs whose owner process is still alive, too.
	Force bool
	// Run restricts the cleaning to one run; empty: all.
	Run string
}

// CleanAll removes what runs left behind, found by label alone: it needs
// nothing from the process that started them. A run whose owner still lives is
// left alone unless forced. Frozen containers are thawed first, as the kernel
// keeps a kill back until then. It returns what it removed, also on error.
func CleanAll(ctx context.Context, eng *engine.Engine, o CleanOptions) ([]string, error) {
	label := LabelRun
	if o.Run != "" {
		label += "=" + o.Run
	}
	found, err := find(ctx, eng, label)
	if err != nil {
		return nil, err
	}
	var doomed []part
	for _, p := range found {
		if o.Force || !OwnerAlive(p.owner) {
			doomed = append(doomed, p)
		}
	}
	for _, p := range doomed {
		if p.kind == "container" {
			thaw(ctx, eng, p.id)
		}
	}
	removed, failed := removeParts(ctx, eng, doomed)
	return removed, join(failed)
}

// thaw lifts a freeze however it was made: by the engine, or past it in the
// container's cgroup. Errors are not looked at: most containers are not
// frozen, and one that stays so shows as a removal that fails.
func thaw(ctx context.Context, eng *engine.Engine, id string) {
	_, _ = eng.Client().ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
	for _, f := range freezerFiles(id) {
		_ = os.WriteFile(f.path, []byte(f.thawed), 0)
	}
}

type freezerFile struct{ path, thawed string }

// freezerFiles lists where a container's freezer may be: cgroup v1 or v2, with
// the engine's cgroupfs or systemd driver.
func freezerFiles(id string) []freezerFile {
	return []freezerFile{
		{"/sys/fs/cgroup/freezer/docker/" + id + "/freezer.state", "THAWED"},
		{"/sys/fs/cgroup/freezer/system.slice/docker-" + id + ".scope/freezer.state", "THAWED"},
		{"/sys/fs/cgroup/docker/" + id + "/cgroup.freeze", "0"},
		{"/sys/fs/cgroup/system.slice/docker-" + id + ".scope/cgroup.freeze", "0"},
	}
}
