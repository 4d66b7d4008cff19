package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness"
)

const (
	// quietTime without anything new of the run means that the engine has
	// finished the dead runner's last requests.
	quietTime = time.Second
	reapLimit = 60 * time.Second
	reapStep  = 100 * time.Millisecond
)

// reaper removes what carries a run's label.
type reaper struct {
	engine *client.Client
	run    string
	spare  string // container not to remove: the agent itself; its volumes are spared too
	thaw   func(ctx context.Context, container string) error
}

// untilQuiet removes everything until nothing has been found for quietTime.
func (r *reaper) untilQuiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reapLimit)
	defer cancel()
	quiet := time.Now()
	var last error
	for {
		found, err := r.pass(ctx)
		if found > 0 || err != nil {
			quiet = time.Now()
		}
		if err != nil {
			last = err
		}
		if time.Since(quiet) >= quietTime {
			return nil
		}
		select {
		case <-time.After(reapStep):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("remove what is left of run %s: %w", r.run, ctx.Err()), last)
		}
	}
}

// pass removes what is there now: containers first, since they hold networks
// and volumes. It returns how many things it found.
func (r *reaper) pass(ctx context.Context) (found int, err error) {
	filter := make(client.Filters).Add("label", harness.LabelRun+"="+r.run)
	containers, err := r.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return 0, fmt.Errorf("list containers: %w", err)
	}
	spared := map[string]bool{}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	harness.Leave(ctx, r.engine, slices.DeleteFunc(slices.Clone(containers.Items), func(c container.Summary) bool { return c.ID == r.spare }))
	for _, c := range containers.Items {
		if c.ID == r.spare {
			for _, m := range c.Mounts {
				spared[m.Name] = true
			}
			continue
		}
		found++
		wait.Go(func() {
			if err := r.container(ctx, c.ID); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wait.Wait()
	networks, err := r.engine.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return found, errors.Join(append(errs, fmt.Errorf("list networks: %w", err))...)
	}
	for _, n := range networks.Items {
		found++
		if _, err := r.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("remove network %s: %w", n.Name, err))
		}
	}
	volumes, err := r.engine.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	if err != nil {
		return found, errors.Join(append(errs, fmt.Errorf("list volumes: %w", err))...)
	}
	for _, v := range volumes.Items {
		if spared[v.Name] {
			continue
		}
		found++
		if _, err := r.engine.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true}); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("remove volume %s: %w", v.Name, err))
		}
	}
	return found, errors.Join(errs...)
}

// container thaws and removes one container. A frozen process (cgroup v1) does
// not die before it is thawed, so that comes first.
func (r *reaper) container(ctx context.Context, id string) error {
	if r.thaw != nil {
		if err := r.thaw(ctx, id); err != nil {
			return err
		}
	}
	_, err := r.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !gone(err) {
		return fmt.Errorf("remove container %.12s: %w", id, err)
	}
	return nil
}

// gone tells whether somebody else has removed the thing, or is about to.
func gone(err error) bool {
	return errdefs.IsNotFound(err) || strings.Contains(err.Error(), "is already in progress")
}
